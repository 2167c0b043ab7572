import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../../testing/apiserver/own-apiserver.ts";
import { type SendJson, senderTo } from "../../../../testing/apiserver/send-json.ts";
import type { TestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import {
  type AdmissionConfiguration,
  readAdmissionConfiguration,
} from "../../../admission/configuration.ts";
import { CASES } from "./all-cases.ts";
import type { Case } from "./cases.ts";
import { EXEMPT_CASES, EXEMPT_CONFIG } from "./exempt-cases.ts";
import { judge, type Verdict } from "./record.ts";

type Verdicts = Record<string, Verdict>;

/** Warnings of our own, about kinds that nothing acts on yet (docs/DIVERGENCE.md). */
const NOT_ACTED_ON = new Set(KINDS.map(({ notActedOn }) => notActedOn));

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, file), "utf8")) as T;
}

const read = (path: string) => readFileSync(path, "utf8");

/** Holds a server, configured as upstream's was, to what that one answered. */
function judgesAsUpstream(
  cases: readonly Case[],
  file: string,
  configure: () => Promise<AdmissionConfiguration | undefined>,
): void {
  // Recorded on upstream's kube-apiserver by scripts/record-apiserver.ts.
  const golden = readJson<Record<string, Verdicts>>(file);
  let api: TestApiserver;
  let send: SendJson;

  beforeAll(async () => {
    const configuration = await configure();
    api = await startApiserverOnEtcd(configuration && { admission: { configuration } });
    send = await senderTo(api);
  });
  afterAll(() => api.close());

  it.each(cases)("$name", async (testCase) => {
    const verdicts = JSON.parse(JSON.stringify(await judge(testCase, send))) as Verdicts;
    for (const verdict of Object.values(verdicts)) {
      verdict.warnings = verdict.warnings.filter((each) => !NOT_ACTED_ON.has(each));
    }
    expect(verdicts).toEqual(golden[testCase.name]);
  });
}

describe("admission judges as upstream", () => {
  judgesAsUpstream(CASES, "upstream.json", () => Promise.resolve(undefined));
});

describe("admission decides as upstream, with exemptions configured", () => {
  judgesAsUpstream(EXEMPT_CASES, "upstream-exempt.json", () => {
    return readAdmissionConfiguration(read(EXEMPT_CONFIG), read);
  });
});
