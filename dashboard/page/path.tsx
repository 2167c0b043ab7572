import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { ENDPOINT_SLICES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { pathOf } from "@raft2kube/explain/path.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { useState } from "preact/hooks";
import { resource, text } from "./api.ts";
import { Choice } from "./fields.tsx";
import { isOf, type Target } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";

const NODES_MAX = 500;

async function rulesAt(node: string, addresses: readonly string[]): Promise<string> {
  const query = addresses.map((each) => `address=${encodeURIComponent(each)}`).join("&");
  const proxy = resourcePath(NODES, { name: node, subresource: "proxy/network/rules" });
  return (
    (await tolerate(text(`${proxy}?${query}`), isNotFound)) ??
    "The kubelet of this node does not show rules: it is another vendor's."
  );
}

/** The way of a packet to a Service or a pod, beside the rules of the node that it starts on. */
export default function PacketPath({ kind, object }: Target) {
  const isPod = isOf("pods")({ kind });
  const [chosen, choose] = useState<string>();
  const [facts, problem] = useAsked(async () => {
    const { namespace, name } = object.metadata;
    const labelSelector = `kubernetes.io/service-name=${name}`;
    const [nodes, slices] = await Promise.all([
      resource<Node>(NODES).list({ limit: NODES_MAX }),
      isPod
        ? { items: [] }
        : resource<EndpointSlice>(ENDPOINT_SLICES).list({ namespace, labelSelector }),
    ]);
    return { nodes: nodes.items, slices: slices.items };
  }, [object]);
  const from = chosen ?? facts?.nodes[0]?.metadata.name ?? "";
  const to = isPod ? { pod: object as unknown as Pod } : { service: object as unknown as Service };
  const path = facts && pathOf({ from, ...facts, ...to });
  const addresses = path?.addresses ?? [];
  const [rules, noRules] = useAsked(
    async () => (from !== "" && addresses.length > 0 ? rulesAt(from, addresses) : ""),
    [from, addresses.join()],
  );
  return (
    <>
      <Problem text={problem} />
      {facts && (
        <div class="bar">
          <label>
            From a pod on{" "}
            <Choice
              of={facts.nodes.map(({ metadata }) => metadata.name ?? "")}
              value={from}
              set={choose}
            />
          </label>
        </div>
      )}
      <ol class="events">
        {path?.steps.map(({ where, what }) => (
          <li>
            <b>{where}</b> {what}
          </li>
        ))}
      </ol>
      <h3>Rules of {from}</h3>
      <Problem text={noRules} />
      <pre tabIndex={0} role="region" aria-label="Rules">
        {rules || "none for these addresses"}
      </pre>
    </>
  );
}
