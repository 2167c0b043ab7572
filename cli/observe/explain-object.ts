import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Explanation } from "@raft2kube/explain/explanation.ts";
import { EXPLAINED, explain } from "@raft2kube/explain/gather.ts";
import { CommandError } from "../terminal.ts";

/** Explains `pod/NAME`, `service/NAME` or `pvc/NAME`. */
export async function explainObject(client: KubeClient, target: string, namespace: string) {
  const [, kind = "", name = ""] = /^([a-z]+)\/([^/]+)$/.exec(target) ?? [];
  if (!(kind in EXPLAINED)) {
    const remedy = "write pod/NAME, service/NAME or pvc/NAME";
    throw new CommandError("ARGUMENT", `"${target}" cannot be explained`, { remedy });
  }
  const found = await explain(client, { kind, namespace, name }, client.clock.now());
  if (found) return found;
  throw new CommandError("NO_OBJECT", `there is no ${kind} ${name} in namespace ${namespace}`, {
    remedy: "-n NAMESPACE names another namespace",
  });
}

/** The explanation as a person reads it: texts of others, in it, do not start lines. */
export function describeExplanation({ sentence, remedy, unseen }: Explanation): string {
  const oneLine = (text: string) => text.replace(/\s+/g, " ");
  const advice = remedy && `  remedy: ${oneLine(remedy)}`;
  const unknown = unseen && `  not seen for lack of rights: ${unseen.join(", ")}`;
  return [oneLine(sentence), advice, unknown].filter(Boolean).join("\n");
}
