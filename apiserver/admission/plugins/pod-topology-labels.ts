import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Pod } from "../../object/pod.ts";
import { keyOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";

const TOPOLOGY = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

interface Binding extends KubeObject {
  target?: { kind?: string; name?: string };
}

/** Copies the zone and region of a node to the pods that are bound to it. */
export function podTopologyLabels({ resources }: AdmissionContext): AdmissionPlugin {
  const nodes = resources.of("v1", "nodes");
  return {
    name: "PodTopologyLabels",
    async admit(request) {
      if (request.operation !== "CREATE") return;
      const { object } = request;
      let node: string | undefined;
      if (concerns(request, "", "pods")) node = (object as Pod).spec.nodeName;
      else if (concerns(request, "", "pods", "binding")) {
        const { target } = object as Binding;
        node = target?.kind === "Node" ? target.name : undefined;
      }
      if (!node) return;
      // As upstream, a node that is not there, or not yet in the cache, gives none.
      const labels = (await nodes.cache()).get(keyOf(nodes.kind, "", node))?.labels ?? {};
      const copied = TOPOLOGY.filter((each) => labels[each] !== undefined).map((each) => [
        each,
        labels[each]!,
      ]);
      if (copied.length === 0) return;
      const { metadata } = object!;
      metadata.labels = { ...metadata.labels, ...(Object.fromEntries(copied) as object) };
    },
  };
}
