import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "../../../testing/ask.ts";
import { type EtcdServer, startEtcd } from "../../../testing/etcd-server.ts";
import { startTestApiserver, type TestApiserver } from "../../../testing/test-apiserver.ts";
import { type Outcome, play, type Send } from "./record.ts";
import { SEQUENCES } from "./sequences.ts";

// Recorded on upstream's kube-apiserver by scripts/owners.ts.
const GOLDEN = JSON.parse(
  readFileSync(join(import.meta.dirname, "upstream.json"), "utf8"),
) as Record<string, Outcome[]>;

let etcd: EtcdServer;
let api: TestApiserver;
let send: Send;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await startTestApiserver(etcd.client);
  const admin = await api.credentials("admin", ["system:masters"]);
  send = async (method, path, type, body) => {
    const headers = { "content-type": type, "user-agent": "recorder/1" };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await ask(api, path, { ...admin, method, headers, ...text });
    return { status: answer.status, body: JSON.parse(answer.body) as Record<string, unknown> };
  };
  await send("POST", "/api/v1/namespaces/default/serviceaccounts", "application/json", {
    metadata: { name: "default" },
  });
});
afterAll(async () => {
  await api.close();
  await etcd.close();
});

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
