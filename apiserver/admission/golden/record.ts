import type { SendJson } from "../../testing/send-json.ts";
import type { Scene } from "./cases.ts";

/** What trying an object came to: refused why, or warned of what and changed how. */
export interface Verdict {
  status: number;
  message?: unknown;
  warnings: readonly string[];
  /** What admission may have changed of an object that was let in. */
  object?: object;
}

/** Makes a scene's objects, then tries the others. */
export async function judge(scene: Scene, send: SendJson): Promise<Record<string, Verdict>> {
  const json = "application/json";
  for (const { path, body } of scene.made) {
    const { status, body: answer } = await send("POST", path, json, body);
    if (status !== 201) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  }
  const verdicts: Record<string, Verdict> = {};
  for (const { name, path, body } of scene.tried) {
    const { status, body: answer, warnings } = await send("POST", `${path}?dryRun=All`, json, body);
    const refused = status >= 400;
    // Refusals of validation itself list what is wrong in no certain order.
    const message = status === 403 ? parts(String(answer["message"])) : answer["message"];
    verdicts[name] = { status, ...(refused ? { message } : { object: changed(answer) }), warnings };
  }
  return verdicts;
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
  };
}

function changed(answer: object): object {
  const { metadata, spec = {} } = answer as Changed;
  const { overhead, nodeSelector, tolerations, containers, initContainers } = spec;
  const resources = [...(containers ?? []), ...(initContainers ?? [])].map(
    (each) => each.resources,
  );
  return { annotations: metadata.annotations, overhead, nodeSelector, tolerations, resources };
}
