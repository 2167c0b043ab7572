import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { ENDPOINT_SLICES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { pathToPod, pathToService } from "@raft2kube/explain/path.ts";
import { useState } from "preact/hooks";
import { resource, text } from "./api.ts";
import { Choice } from "./fields.tsx";
import { isOf, type Target } from "./kinds.ts";
import { Lines, Problem, useAsked } from "./widgets.tsx";

const NODES_MAX = 500;
const NO_RULES = "The kubelet of this node does not show rules: it is another vendor's.";

async function rulesAt(name: string, addresses: readonly string[]): Promise<string | undefined> {
  if (name === "") return undefined;
  if (addresses.length === 0) return "";
  const query = addresses.map((each) => `address=${encodeURIComponent(each)}`).join("&");
  const proxy = resourcePath(NODES, { name, subresource: "proxy/network/rules" });
  return (await undefinedIfNotFound(text(`${proxy}?${query}`))) ?? NO_RULES;
}

/** The way of a packet to a Service or a pod, beside the rules of the node that it starts on. */
export default function PacketPath({ kind, object }: Target) {
  const isPod = isOf("pods")({ kind });
  const [chosen, choose] = useState<string>();
  const [facts, problem] = useAsked(async () => {
    const { namespace, name } = object.metadata;
    const labelSelector = `kubernetes.io/service-name=${name}`;
    const slices = resource<EndpointSlice>(ENDPOINT_SLICES);
    const [nodes, found] = await Promise.all([
      resource<Node>(NODES).list({ limit: NODES_MAX }),
      isPod ? { items: [] } : slices.list({ namespace, labelSelector }),
    ]);
    const names = nodes.items.map(({ metadata }) => metadata.name ?? "");
    const pathFrom = (from: string) => {
      const [start, to] = [{ from, nodes: nodes.items }, object as unknown];
      return isPod ? pathToPod(start, to as Pod) : pathToService(start, to as Service, found.items);
    };
    return { names, pathFrom };
  }, [object]);
  const { names = [], pathFrom } = facts ?? {};
  const from = chosen ?? names[0] ?? "";
  const { steps = [], addresses = [] } = pathFrom?.(from) ?? {};
  const [rules, noRules] = useAsked(() => rulesAt(from, addresses), [from, addresses.join()]);
  return (
    <>
      <Problem text={problem} />
      <div class="bar">
        <label>
          From a pod on <Choice of={names} value={from} set={choose} />
        </label>
      </div>
      <Lines of={steps.map(({ where, what }) => [<b>{where}</b>, ` ${what}`])} />
      <h3>Rules of {from}</h3>
      <Problem text={noRules} />
      <pre tabIndex={0} role="region" aria-label="Rules">
        {rules === "" ? "none for these addresses" : rules}
      </pre>
    </>
  );
}
