"""Examples of each command: the end of its help, and docs/commands.md. A test parses each with the real parser.

RUN stands for a run's id, the beginning of one, its name, the path of its folder, or `last`.
"""

Example = tuple[str, str]
"""The words behind `vitbench`, and what they do."""

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "demo": (
        ("demo", "train on shapes, and open the app on the run"),
        ("demo --headless", "the same, printed"),
    ),
    "train": (
        ("train fast --data pets/", "the preset fast on a folder of pictures"),
        ("train report --data pets/ --set optim.lr=1e-3 --name first", "one key changed, and a name"),
        ("train recipe.toml --foreground", "your own recipe, followed to its end; ^C pauses"),
        ("train --from RUN@best --set train.epochs=5", "a new run that begins with the weights of another"),
    ),
    "runs": (
        ("runs", "all of them"),
        ("runs --tag paper --json", "those with a tag, for a script"),
        (
            "runs --columns best,optim.lr --filter 'best>0.8' --sort best --falling",
            "the best first, with a key of their recipes",
        ),
        ("runs --group --csv", "seeds as one line: mean, lowest, highest"),
    ),
    "watch": (
        ("watch runs/ lightning_logs/", "other tools' TensorBoard logs in the app, beside your runs"),
        ("watch runs/ --list", "one line each"),
    ),
    "show": (("show last", "the newest run: state, checkpoints, where the time goes"),),
    "sweep": (
        ("sweep report --data pets/", "3 optimizers x 3 schedules"),
        ("sweep plan.toml --dry-run", "check a plan, and print its trials"),
        ("sweep SWEEP --best best.toml", "the best trial as a recipe"),
    ),
    "compare": (
        ("compare RUN RUN", "recipes, scores, a paired test"),
        ("compare RUN RUN --metric validation/accuracy --out differ.csv", "the pictures on which they disagree"),
        ("compare RUN RUN RUN --group --curves loss.png --metric train/loss", "seeds as one curve in a band"),
    ),
    "log": (("log last", "what it has said"),),
    "metrics": (
        ("metrics last --tag train/loss", "one scalar as CSV"),
        ("metrics runs/ --json", "anybody's TensorBoard logs, at any depth"),
    ),
    "queue": (
        ("queue", "what waits, and why"),
        ("queue RUN --first", "before all others"),
        ("queue RUN --after OTHER", "when another has finished"),
    ),
    "label": (
        ("label RUN --tag paper --note 'see figure 3'", "find it again"),
        ("label RUN --archive", "put it away"),
    ),
    "pause": (("pause last", "its GPU is free then; resume goes on bit for bit"),),
    "resume": (("resume last", "from its last checkpoint, also after a crash"),),
    "stop": (("stop last", "save, and end"),),
    "kill": (("kill last", "at once; it can be resumed"),),
    "rm": (("rm RUN RUN", "delete the folders of two runs"),),
    "evaluate": (
        ("evaluate last", "on its own test split"),
        ("evaluate RUN --data pictures/ --confusion confusion.png", "on other pictures, with a figure"),
        ("evaluate timm:NAME@weights.pth --data pictures/ --classes names.txt", "weights of another training"),
    ),
    "knn": (("knn timm:NAME --data pets/", "10, 20, 100 and 200 neighbours, with intervals"),),
    "predict": (("predict last --data pictures/ --csv out.csv", "filename,label"),),
    "export": (
        ("export last --format timm", "a folder for timm.create_model"),
        ("export RUN --format onnx --half --out model/", "half precision, for onnxruntime"),
    ),
    "report": (
        ("report last", "a folder: page, Markdown, PDF, figures"),
        ("report RUN --captions demo --compare RUN --out report/", "with captions, and what else was tried"),
    ),
    "homework": (
        ("homework p1 pictures/ out.csv --run RUN", "one label per picture"),
        ("homework p2 pictures/ out/ --run CAPTIONER", "one figure per picture, one panel per word"),
    ),
    "recipe": (
        ("recipe report", "a preset, with one comment per key"),
        ("recipe fast --set data.path=pets/ --check", "does it fit the data?"),
        ("recipe report --curve rate.png", "its learning rate"),
    ),
    "data": (
        ("data pets/", "how it is read, and what looks wrong"),
        ("data table.csv --as table:label=breed", "read in another way"),
        ("data pets/ --preview samples.png --augment randaugment", "as the network sees them"),
    ),
    "scenes": (("scenes shapes/ --count 1000 --size 64", "pictures with labels, captions and masks"),),
    "models": (("models --filter 'vit_small*'", "with parameters, tokens and GFLOPs"),),
    "fetch": (("fetch timm:NAME", "on a node with internet, for those without"),),
    "du": (("du", "by run and kind"),),
    "prune": (
        ("prune figures cache --dry-run", "what would be freed"),
        ("prune checkpoints --run RUN", "of one run, after a question"),
    ),
    "attention": (
        ("attention demo picture.png", "where the network looks, as attention.png"),
        ("attention RUN a.jpg b.jpg --method raw --grid heads", "each head of the last layer"),
        ("attention RUN a.jpg --grid methods --out methods.pdf", "all methods side by side"),
        ("attention RUN a.jpg --grid checkpoints --steps all", "over the training"),
    ),
    "faithfulness": (
        ("faithfulness demo --data 'scenes:base?count=100'", "a table of all methods"),
        ("faithfulness RUN --data pets/ --methods libra,raw --out table.md", "two methods, with a figure beside"),
    ),
    "positions": (
        ("positions last", "the grid of similarities, and a scorecard"),
        ("positions RUN --before", "before and after training"),
    ),
    "features": (
        ("features demo a.jpg b.jpg", "patch features as colours, one basis for both"),
        ("features RUN a.jpg --view similarity --patch 3,5", "likeness to a patch"),
        ("features RUN a.jpg --view nearest --data pets/", "the nearest pictures"),
    ),
    "figure": (
        ("figure list last", "what was saved"),
        ("figure again attention.png --out again.pdf", "from what the file records"),
    ),
    "caption": (
        ("caption demo pictures/ --out figures/", "one panel per word"),
        ("caption RUN a.jpg --text 'a red car' --words", "a caption of yours, word by word"),
    ),
    "gpus": (("gpus", "load, memory, and the runs on them"),),
    "settings": (
        ("settings", "all, with what they mean"),
        ("settings bell=false", "one changed"),
        ("settings bell=", "its default again"),
    ),
    "extensions": (("extensions", "methods, layouts, augmentations, ..."),),
    "doctor": (("doctor", "each fine, or with what to do"),),
    "ground": (
        ("ground demo --data 'scenes:base?count=600'", "a table of words and methods"),
        ("ground RUN --data coco/ --by-head", "which layer and head points best"),
    ),
    "completion": (
        ("completion bash", "print the script; docs/completion.md says where it goes"),
        ("completion zsh", "the same for zsh"),
    ),
}


def epilog(command: str) -> str:
    """The examples of a command as the end of its help; empty where there are none."""
    lines = [f"  vitbench {words}\n      {meaning}" for words, meaning in EXAMPLES.get(command, ())]
    return "\n".join(["examples:", *lines]) if lines else ""
