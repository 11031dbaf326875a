#!/usr/bin/env bash
# A real SLURM of one node on loopback: one_node_cluster.sh start FOLDER, or stop FOLDER. Needs root, slurm-wlm, munge.
# Two partitions: `low` is preempted by `high` and requeued. KillWait is SLURM's own default, 30 s.
set -euo pipefail
action=$1 folder=$2
host=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf

case $action in
start)
    mkdir -p "$folder"/{state,spool,log} /run/munge
    chown munge:munge /run/munge
    [ -f /etc/munge/munge.key ] || mungekey --create
    pgrep -x munged >/dev/null || { setpriv --reuid=munge --regid=munge --init-groups munged; touch "$folder/own-munged"; }
    # Ports and job numbers of its own: what ends late of another such cluster would report to this one.
    port=$((20000 + RANDOM % 20000))
    cat >"$SLURM_CONF" <<CONF
ClusterName=vitbench
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
FirstJobId=$((1 + RANDOM))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=30
ReturnToService=2
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=5
OverTimeLimit=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes=$host Default=YES PriorityTier=1 MaxTime=2:00:00 State=UP
PartitionName=high Nodes=$host PriorityTier=10 MaxTime=2:00:00 State=UP
CONF
    slurmctld
    slurmd
    for _ in $(seq 100); do
        sinfo --noheader --format=%t 2>/dev/null | grep -q idle && { sinfo; exit 0; }
        sleep 0.2
    done
    tail -5 "$folder"/log/*.log
    exit 1
    ;;
stop)
    scancel --signal=KILL --me 2>/dev/null || true
    for daemon in slurmd slurmctld; do
        [ -f "$folder/$daemon.pid" ] || continue
        pid=$(cat "$folder/$daemon.pid")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
        kill -KILL "$pid" 2>/dev/null || true  # slurmd waits for a step that does not end
    done
    if [ -f "$folder/own-munged" ]; then kill "$(cat /run/munge/munged.pid)" || true; fi
    ;;
*) exit 2 ;;
esac
