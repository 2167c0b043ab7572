import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../../testing/apiserver/own-apiserver.ts";
import { type SendJson, senderTo } from "../../../../testing/apiserver/send-json.ts";
import type { TestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import { type Outcome, play } from "./record.ts";
import { SEQUENCES } from "./sequences.ts";

// Recorded on upstream's kube-apiserver by scripts/record-apiserver.ts.
const GOLDEN = JSON.parse(
  readFileSync(join(import.meta.dirname, "upstream.json"), "utf8"),
) as Record<string, Outcome[]>;

let api: TestApiserver;
let send: SendJson;

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  send = await senderTo(api);
  await send("POST", "/api/v1/namespaces/default/serviceaccounts", "application/json", {
    metadata: { name: "default" },
  });
});
afterAll(() => api.close());

describe("owners after each step are upstream's", () => {
  it("has a recording of every sequence", () => {
    expect(Object.keys(GOLDEN).sort()).toEqual(SEQUENCES.map(({ name }) => name).sort());
  });

  for (const sequence of SEQUENCES) {
    it(sequence.name, async () => {
      expect(await play(sequence, send)).toEqual(GOLDEN[sequence.name]);
    });
  }
});
