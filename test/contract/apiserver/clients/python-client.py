"""Drives an apiserver by Python's own client: list, watch, leader election. Argument: kubeconfig."""
import os
import sys
import threading
import uuid

from kubernetes import client, config, watch
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

# A loaded machine takes its time; how long is nothing that is tested here.
PATIENCE_S = 200

config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()


def listed_and_watched():
    """Events of a watch that goes on where a list in pages ended."""
    for name in ("a", "b", "c"):
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"py": "yes"}))
        core.create_namespaced_config_map("default", body)
    names = []
    token = None
    while True:
        page = core.list_namespaced_config_map(
            "default", label_selector="py=yes", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    print("listed", *names)
    core.patch_namespaced_config_map("a", "default", {"data": {"n": "1"}})
    core.delete_namespaced_config_map("b", "default")
    watcher = watch.Watch()
    events = watcher.stream(
        core.list_namespaced_config_map, "default", label_selector="py=yes",
        resource_version=page.metadata.resource_version, timeout_seconds=PATIENCE_S)
    for count, event in enumerate(events, start=1):
        print("watched", event["type"], event["object"].metadata.name)
        if count == 2:
            watcher.stop()


def refused():
    """A conflict is an ApiException with upstream's code and reason."""
    stale = core.read_namespaced_config_map("a", "default")
    core.patch_namespaced_config_map("a", "default", {"data": {"n": "2"}})
    try:
        core.replace_namespaced_config_map("a", "default", stale)
    except client.ApiException as error:
        print("refused", error.status, error.reason)


def elected():
    """Of two that contend for a Lease one leads, and is recorded as its holder."""
    led = []
    lead = threading.Lock()

    def contend(name):
        def leads():
            led.append(name)
            print("led by", "one of them" if len(led) == 1 else "two of them")
            sys.stdout.flush()
            lead.release()
        lock = LeaseLock("lock", "default", f"{name}-{uuid.uuid4()}")
        election = electionconfig.Config(
            lock, lease_duration=3 * PATIENCE_S, renew_deadline=2 * PATIENCE_S, retry_period=1.5,
            onstarted_leading=leads, onstopped_leading=lambda: None)
        threading.Thread(target=leaderelection.LeaderElection(election).run, daemon=True).start()

    lead.acquire()
    contend("x")
    contend("y")
    if not lead.acquire(timeout=PATIENCE_S):
        sys.exit(f"nobody led within {PATIENCE_S} s")
    lease = client.CoordinationV1Api().read_namespaced_lease("lock", "default")
    print("recorded", lease.spec.holder_identity.split("-")[0] in led)


listed_and_watched()
refused()
elected()
# The candidates' threads go on renewing: an interpreter that ends in order may trip over them.
sys.stdout.flush()
os._exit(0)
