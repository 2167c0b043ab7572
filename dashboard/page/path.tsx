import { type PathFacts, pathOf } from "@raft2kube/explain/path.ts";
import { useState } from "preact/hooks";
import { type AnyObject, ApiError, get, text } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

const NODES_MAX = 500;

async function rulesAt(node: string, addresses: readonly string[]): Promise<string> {
  const query = addresses.map((each) => `address=${encodeURIComponent(each)}`).join("&");
  try {
    return await text(`/api/v1/nodes/${encodeURIComponent(node)}/proxy/network/rules?${query}`);
  } catch (thrown) {
    if (!(thrown instanceof ApiError) || thrown.status !== 404) throw thrown;
    return "The kubelet of this node does not show rules: it is another vendor's.";
  }
}

/** The way of a packet to a Service or a pod, beside the rules of the node that it starts on. */
export default function PacketPath({ object, isPod }: { object: AnyObject; isPod: boolean }) {
  const { namespace = "", name } = object.metadata;
  const [chosen, choose] = useState<string>();
  const [facts, problem] = useAsked(async () => {
    const label = encodeURIComponent(`kubernetes.io/service-name=${name}`);
    const within = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}`;
    const [nodes, slices] = await Promise.all([
      get<{ items: PathFacts["nodes"] | null }>(`/api/v1/nodes?limit=${NODES_MAX}`),
      isPod
        ? { items: [] }
        : get<{ items: PathFacts["slices"] | null }>(
            `${within}/endpointslices?labelSelector=${label}`,
          ),
    ]);
    return { nodes: nodes.items ?? [], slices: slices.items ?? [] };
  }, [object]);
  const from = chosen ?? facts?.nodes[0]?.metadata.name ?? "";
  const path = facts ? pathOf({ from, ...facts, [isPod ? "pod" : "service"]: object }) : undefined;
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
            <select value={from} onChange={(event) => choose(event.currentTarget.value)}>
              {facts.nodes.map(({ metadata: { name: each } }) => (
                <option>{each}</option>
              ))}
            </select>
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
