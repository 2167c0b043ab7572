import { YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { expect, it } from "vitest";
import type { Answer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import { encodeWhole } from "./respond.ts";

it("an answer is encoded no further once its request is over", async () => {
  const gone = new AbortController();
  const names = Array.from({ length: 10_000 }, (_, index) => `k${index}`);
  const read = new Set<string>();
  const data = new Proxy(Object.fromEntries(names.map((name) => [name, ""])), {
    get(target, name: string) {
      if (name === names[1_000]) gone.abort();
      read.add(name);
      return target[name];
    },
  });
  const negotiated = { type: YAML_TYPE, pretty: false, transform: { as: "object" } };
  const context = {
    signal: gone.signal,
    negotiated,
    request: { headers: {} },
  } as unknown as RequestContext;
  const object = { kind: "ConfigMap", metadata: {}, data };
  const answer = { type: "object", code: 200, object } as Extract<Answer, { type: "object" }>;
  await expect(encodeWhole(context, answer, () => 0)).rejects.toThrow("aborted");
  expect(read.has(names.at(-1)!)).toBe(false);
});
