"""Prints what Python's informer says of the custom kind Note, until its input ends. Argument:
kubeconfig."""
import os
import sys
from types import SimpleNamespace

from kubernetes import client, config
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

config.load_kube_config(sys.argv[1])
custom = client.CustomObjectsApi()
seen = {}


def listed(**words) -> "object":
    """The informer wants attributes, and has keys of custom objects."""
    answer = custom.list_namespaced_custom_object(
        "test.r2k.local", "v1", words.pop("namespace"), "notes", **words)
    if words.get("watch"):
        return answer
    version = answer["metadata"]["resourceVersion"]
    return SimpleNamespace(
        items=answer["items"], metadata=SimpleNamespace(resource_version=version))


def note(verb):
    """A list after a break says again what is known."""
    def say(object):
        metadata = object["metadata"]
        if verb != "delete" and seen.get(metadata["name"]) == metadata["resourceVersion"]:
            return
        seen[metadata["name"]] = metadata["resourceVersion"]
        print(verb, metadata["name"], object["spec"]["n"], flush=True)
    return say


informer = SharedInformer(
    listed, namespace="default", key_func=lambda object: object["metadata"]["name"])
informer.add_event_handler(ADDED, note("add"))
informer.add_event_handler(MODIFIED, note("change"))
informer.add_event_handler(DELETED, note("delete"))
informer.start()
sys.stdin.read()
os._exit(0)
