import { existsSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { CASES, type GatewayRequest } from "./gateway-cases.ts";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  type Implementation,
  served,
  upstream,
  upstream36,
} from "./implementations.ts";
import { recordedIn } from "./recorded.ts";

type Answered = { request: string; status: number; answers: unknown[] };
const RECORDED = recordedIn<Answered[]>("gateway.json");

/** Fields that differ from one cluster to the next, or with the time. */
const OWN = /^(?:cluster_id|member_id|raft_term|ID|TTL|token)$/;
/** A member of ours that is alone has no address for peers. */
const PASSED_OVER = /^(?:clientURLs|peerURLs)$/;

function normalised(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalised);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !PASSED_OVER.test(name));
  const entries = kept.map(([name, each]): [string, unknown] => {
    if (name === "ID" && Number(each) < 2 ** 54) return [name, each];
    return [name, OWN.test(name) ? "own" : normalised(each)];
  });
  return Object.fromEntries(entries);
}

/** The errors of etcd 3.4 have `error`, those of 3.6 have none; both have code and message. */
function judged(value: unknown, { looseText }: GatewayRequest): unknown {
  if (looseText) return "an error";
  if (typeof value !== "object" || value === null || !("code" in value)) return normalised(value);
  const { code, message } = value as { code: number; message: string };
  return { code, message };
}

async function ask(endpoint: string, token: string, request: GatewayRequest): Promise<Answered> {
  const { path, body, method = "POST", lines } = request;
  const given = Object.entries(request.headers ?? {});
  const headers = Object.fromEntries(
    given.map(([name, value]) => [name, value.replace("ALICE", token)]),
  );
  const ended = new AbortController();
  const response = await fetch(`${endpoint}/v3/${path}`, {
    method,
    headers,
    signal: ended.signal,
    redirect: "manual",
    ...(method === "GET" ? {} : { body }),
  });
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    if (lines !== undefined && text.split("\n").length > lines) break;
  }
  ended.abort();
  const json = response.headers.get("content-type") === "application/json";
  const parts = text.split("\n").filter((line) => line !== "");
  const answers = json ? parts.map((line) => JSON.parse(line) as unknown) : [text];
  return { request: `${path} ${body}`, status: response.status, answers };
}

async function record({ start }: Implementation): Promise<Answered[]> {
  const running = await start();
  const answered: Answered[] = [];
  let token = "";
  try {
    for (const request of CASES) {
      const { answers, ...rest } = await ask(running.endpoint!, token, request);
      for (const answer of answers) token = (answer as { token?: string }).token ?? token;
      answered.push({ ...rest, answers: answers.map((answer) => judged(answer, request)) });
    }
  } finally {
    await running.stop();
  }
  return answered;
}

/** Where the releases differ ours is as 3.6, or stricter. */
function asOf36({ request, status, answers }: Answered): Answered {
  // grpc-gateway 1.9 has 412 for FAILED_PRECONDITION and 405 for another method than POST.
  const later = { 412: 400, 405: 501 }[status] ?? status;
  return { request, status: later, answers };
}

/** Maintenance answers with headers since 3.5. */
function withoutHeader(answered: Answered): Answered {
  if (!answered.request.startsWith("maintenance/")) return answered;
  const answers = answered.answers.map((each) => ({ ...(each as object), header: undefined }));
  return { ...answered, answers };
}

let ours: Answered[];
beforeAll(async () => {
  ours = await record(served);
});

describe("etcd 3.6.5's answers, as recorded", () => {
  const recorded = RECORDED.read();
  const same = CASES.filter(({ differs36 }) => differs36 === undefined);
  test.each(same)("$path $body", (request) => {
    const i = CASES.indexOf(request);
    expect(ours[i]).toEqual(recorded[i]);
  });
});

describe.runIf(existsSync(ETCD_PROGRAM))("etcd 3.4", () => {
  let theirs: Answered[];
  beforeAll(async () => {
    theirs = await record(upstream);
  });

  test.each(CASES.filter(({ differs34 }) => differs34 === undefined))("$path $body", (request) => {
    const i = CASES.indexOf(request);
    expect(withoutHeader(ours[i]!)).toEqual(withoutHeader(asOf36(theirs[i]!)));
  });
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const theirs = await record(upstream36);
  RECORDED.check(theirs);
});
