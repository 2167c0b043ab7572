import type { SendJson } from "../../../../testing/apiserver/send-json.ts";
import type { Sequence, Step } from "./sequences.ts";

/** The result of a step: the response's code and error, and the fields' owners after it. */
export type Outcome = { status: number; message?: string; owners: readonly unknown[] };

const TYPES: Readonly<Record<Step["verb"], { method: string; type: string }>> = {
  create: { method: "POST", type: "application/json" },
  replace: { method: "PUT", type: "application/json" },
  delete: { method: "DELETE", type: "application/json" },
  apply: { method: "PATCH", type: "application/apply-patch+yaml" },
  force: { method: "PATCH", type: "application/apply-patch+yaml" },
  merge: { method: "PATCH", type: "application/merge-patch+json" },
  strategic: { method: "PATCH", type: "application/strategic-merge-patch+json" },
  json: { method: "PATCH", type: "application/json-patch+json" },
};

/** Plays a sequence against an apiserver and notes what each step comes to. */
export async function play(sequence: Sequence, send: SendJson): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of sequence.steps) {
    const { method, type } = TYPES[step.verb];
    const sent = method === "DELETE" ? undefined : step.body;
    const answer = await send(method, pathOf(sequence, step), type, sent);
    const path = `${sequence.collection}/${sequence.object}`;
    const now = await send("GET", path, "application/json", undefined);
    const { message } = answer.body;
    outcomes.push({
      status: answer.status,
      ...(answer.status === 409 && typeof message === "string" ? { message } : {}),
      owners: now.status === 200 ? ownersIn(now.body) : [],
    });
  }
  return outcomes;
}

function pathOf({ collection, object }: Sequence, { verb, manager, subresource }: Step): string {
  const endpoint = subresource === undefined ? "" : `/${subresource}`;
  const query = new URLSearchParams({
    ...(manager === "" ? {} : { fieldManager: manager }),
    ...(verb === "force" ? { force: "true" } : {}),
  });
  return `${collection}${verb === "create" ? "" : `/${object}${endpoint}`}?${query.toString()}`;
}

interface Entry {
  manager?: string;
  operation?: string;
  subresource?: string;
  apiVersion?: string;
  time?: string;
}

/** Owners without the time of day, in an order of their own: times decide the server's order. */
function ownersIn(object: { [key: string]: unknown }): object[] {
  const { managedFields = [] } = object["metadata"] as { managedFields?: Entry[] };
  const keyOf = (each: Entry) =>
    [each.operation, each.manager, each.apiVersion, each.subresource].join(" ");
  return managedFields
    .map((entry) => ({ ...entry, time: entry.time !== undefined }))
    .sort((a, b) => (keyOf(a as never) < keyOf(b as never) ? -1 : 1));
}
