import type { SendJson } from "../../../../testing/apiserver/send-json.ts";
import type { Case } from "./cases.ts";

/** The result of a request: its error, or the warnings and the changed object. */
export interface Verdict {
  status: number;
  message?: unknown;
  warnings: readonly string[];
  /** The fields of an admitted object that admission may have changed. */
  object?: object;
}

const TYPES = { POST: "application/json", PATCH: "application/merge-patch+json" } as const;

/** Creates the objects of a case, then tries its requests. */
export async function judge(testCase: Case, send: SendJson): Promise<Record<string, Verdict>> {
  for (const { path, method = "POST", body } of testCase.made) {
    const { status, body: answer } = await send(method, path, TYPES[method], body);
    if (status >= 300) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  }
  const verdicts: Record<string, Verdict> = {};
  for (const { name, path, method = "POST", body, as } of testCase.tried) {
    const dry = `${path}?dryRun=All`;
    const { status, body: answer, warnings } = await send(method, dry, TYPES[method], body, as);
    const refused = status >= 400;
    // Validation lists its errors in no particular order.
    const text = firstLine(String(answer["message"]));
    const message = status === 403 ? parts(text) : text;
    verdicts[name] = { status, ...(refused ? { message } : { object: changed(answer) }), warnings };
  }
  return verdicts;
}

/** The errors of validation; upstream adds how the objects differ, as Go prints them. */
const firstLine = (message: string): string => message.split("\n", 1)[0]!;

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
