import type { SendJson } from "../../send-json.ts";
import type { Scene } from "./cases.ts";

/** What trying an object came to: refused why, or warned of what and changed how. */
export interface Verdict {
  status: number;
  message?: unknown;
  warnings: readonly string[];
  /** What admission may have changed of an object that was let in. */
  object?: object;
}

const TYPES = { POST: "application/json", PATCH: "application/merge-patch+json" } as const;

/** Makes a scene's objects, then tries the others. */
export async function judge(scene: Scene, send: SendJson): Promise<Record<string, Verdict>> {
  for (const { path, method = "POST", body } of scene.made) {
    const { status, body: answer } = await send(method, path, TYPES[method], body);
    if (status >= 300) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  }
  const verdicts: Record<string, Verdict> = {};
  for (const { name, path, method = "POST", body, as } of scene.tried) {
    const dry = `${path}?dryRun=All`;
    const { status, body: answer, warnings } = await send(method, dry, TYPES[method], body, as);
    const refused = status >= 400;
    // Refusals of validation itself list what is wrong in no certain order.
    const text = firstLine(String(answer["message"]));
    const message = status === 403 ? parts(text) : text;
    verdicts[name] = { status, ...(refused ? { message } : { object: changed(answer) }), warnings };
  }
  return verdicts;
}

/** What validation says; upstream adds how the objects differ, as Go prints them. */
function firstLine(message: string): string {
  return message.split("\n", 1)[0]!;
}

/** Upstream walks maps: what a LimitRange complains of has no order. */
function parts(message: string): string | string[] {
  const list = /^(.*)\[(.*)\]$/.exec(message);
  return list?.[2]?.includes(", ") ? [list[1]!, ...list[2].split(", ").sort()] : message;
}

interface Changed {
  metadata: { annotations?: object };
  spec?: {
    containers?: { resources?: object }[];
    initContainers?: { resources?: object }[];
    overhead?: object;
    nodeSelector?: object;
    tolerations?: object[];
    ingressClassName?: string;
  };
}

function changed(answer: object): object {
  const { metadata, spec = {} } = answer as Changed;
  const { overhead, nodeSelector, tolerations, containers, initContainers } = spec;
  const resources = [...(containers ?? []), ...(initContainers ?? [])].map(
    (each) => each.resources,
  );
  const { ingressClassName } = spec;
  const { annotations } = metadata;
  return { annotations, overhead, nodeSelector, tolerations, resources, ingressClassName };
}
