import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createResolver } from "@raft2kube/dns/resolver.ts";
import { listenTcp } from "@raft2kube/dns/server/tcp.ts";
import { listenUdp } from "@raft2kube/dns/server/udp.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { freePort } from "../../testing/free-port.ts";
import { awaiting, check } from "../check.ts";
import { clauses, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";
import { answerOf, SHOP, ZONE } from "./shop.ts";

const ADDRESS = "127.0.0.1";
/** Answers with more records are counted. */
const SHOWN_MAX = 4;

/** The reason to leave the checks out; undefined where dig is installed. */
const leftOut = (process.env["PATH"] ?? "")
  .split(delimiter)
  .some((folder) => existsSync(join(folder, "dig")))
  ? undefined
  : "there is no dig: install bind9-dnsutils";

/** Serves the namespace `shop` while `body` runs, which gets the port. */
async function serving(body: (port: number) => Promise<void>): Promise<void> {
  const log = logger("dns");
  const forwarder = { forward: () => Promise.resolve(undefined) };
  const resolve = createResolver({ view: () => SHOP, zone: ZONE, forwarder });
  const at = { address: ADDRESS, port: await freePort() };
  const udp = await listenUdp(at, resolve, log);
  try {
    const tcp = await listenTcp(at, resolve, log);
    await body(at.port).finally(() => tcp.close());
  } finally {
    await udp.close();
  }
}

/** Runs dig; resolves with the status, the flags that matter, and the answers' data. */
function dig(port: number, question: string): Promise<string> {
  const words = [`@${ADDRESS}`, "-p", String(port), "+tries=1", "+time=4", ...question.split(" ")];
  return awaiting(
    `dig ${question}`,
    new Promise((resolve, reject) => {
      execFile("dig", words, (error, stdout) => {
        if (error && stdout === "") return reject(error);
        const status = /status: (\w+)/.exec(stdout)?.[1] ?? "no answer";
        const flags = (/flags: ([\w ]+);/.exec(stdout)?.[1] ?? "").split(" ");
        const shown = flags.filter((flag) => flag === "aa" || flag === "tc");
        const section = (name: string) => [
          ...(stdout.split(`;; ${name} SECTION:\n`)[1]?.split("\n\n")[0] ?? "").matchAll(
            /^\S+\s+\d+\s+IN\s+(\S+)\s+(.*)$/gm,
          ),
        ];
        const answers = section("ANSWER")
          .map(([, , data]) => data!)
          .sort();
        const isCut = flags.includes("tc") && answers.length > 0;
        const many = isCut ? "some records" : `${answers.length} records`;
        const counted = isCut || answers.length > SHOWN_MAX ? [many] : answers;
        const soa = section("AUTHORITY").map(([, type]) => type!);
        const more = section("ADDITIONAL")
          .map(([, , data]) => `with ${data}`)
          .sort();
        const by = / \(TCP\)/.test(stdout) ? ["by TCP"] : [];
        resolve([status, ...shown, ...by, ...counted, ...soa, ...more].join(", "));
      });
    }),
  );
}

const { questions } = clauses(import.meta, {
  questions: { question: text, expected: text, why: text },
});

check(
  "dig: what a client sees",
  async () => {
    // A body that is not written yet throws here; the server would answer SERVFAIL.
    for (const type of ["A", "SRV"]) answerOf(`_sql._tcp.db.shop.svc.cluster.local`, type);
    answerOf("6.0.244.10.in-addr.arpa", "PTR");
    await serving(async (port) => {
      const seen = await Promise.all(questions.map(({ question }) => dig(port, question)));
      for (const [i, { question, expected, why }] of questions.entries()) {
        mustEqual(seen[i], expected, { when: `dig ${question}`, why });
      }
    });
  },
  { leftOut },
);
