import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { freePort } from "../../../testing/free-port.ts";
import { ETCD_34, ETCD_36, type EtcdRelease, isThere, startEtcd } from "./etcd-programs.ts";
import { PATIENT } from "./etcdctl.ts";
import { comparable, FORMATS, type Format, type Printed } from "./etcdctl-output.ts";
import { SESSION } from "./etcdctl-session.ts";

// Takes turns, clients of etcd: see etcdctl.test.ts.

const LEASE = 0x4d2n;
const COMMAND_TIMEOUT_MS = 55_000;
/** Formats in which a run compares all commands: a command is two processes for each. */
const JUDGED = inTurn("formats of etcdctl", FORMATS, 1);

/** A store that etcdctl is let loose on. */
interface Store {
  endpoint: string;
  stop(): Promise<void>;
}

/** Ours as a cluster of one that others could join, which is what a real etcd is. */
async function startOurs(dataDir: string): Promise<Store> {
  const peer = `http://127.0.0.1:${await freePort()}`;
  const store = await startStore({
    dataDir,
    listenClient: { host: "127.0.0.1", port: 0 },
    peers: {
      listen: { host: "127.0.0.1", port: Number(new URL(peer).port) },
      advertiseUrls: [peer],
      initialCluster: { default: [peer] },
    },
  });
  return { endpoint: store.address!, stop: () => store.close() };
}

type Running = { child: ReturnType<typeof spawn>; printed: Promise<Printed> };

/** Starts etcdctl; `enough` says when what it printed is all that is waited for. */
function start(
  { etcdctl }: EtcdRelease,
  endpoint: string,
  args: readonly string[],
  enough?: (output: string) => boolean,
): Running {
  const v3 = etcdctl === ETCD_34.etcdctl ? { ETCDCTL_API: "3" } : {};
  const env = { ...process.env, ...PATIENT, ...v3, ETCDCTL_ENDPOINTS: endpoint };
  const child = spawn(etcdctl, args, { env, timeout: COMMAND_TIMEOUT_MS });
  const parts: Buffer[] = [];
  let errors = "";
  const printed = new Promise<Printed>((resolve, reject) => {
    child.stdout.on("data", (part: Buffer) => {
      parts.push(part);
      if (enough?.(Buffer.concat(parts).toString())) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    child.stdin.on("error", () => undefined);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: Buffer.concat(parts), errors }));
  });
  return { child, printed };
}

async function run(
  release: EtcdRelease,
  endpoint: string,
  args: readonly string[],
  input = "",
): Promise<Printed> {
  const { child, printed } = start(release, endpoint, args);
  child.stdin!.end(input);
  return printed;
}

/** The deletion is printed to its end. */
const WHOLE_DELETE: Readonly<Record<string, RegExp>> = {
  simple: /DELETE\n.*\n2\n.*\n\n?$/,
  json: /"type":1.*\n/,
  fields: /DELETE[^]*"Lease" : 0\n$/,
  protobuf: /Z.{2,}\u0008\u0001[^]*2$/,
};

function sameOutput(release: EtcdRelease): void {
  let folder: string;
  let stores: Store[];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "r2k-etcdctl-"));
    const theirs = startEtcd(release, join(folder, "theirs"));
    stores = await Promise.all([startOurs(join(folder, "ours")), theirs]);
    for (const { endpoint } of stores) {
      const client = connectEtcd({ endpoints: [`http://${endpoint}`] });
      await client.leaseGrant({ ID: LEASE, TTL: 8_000_000 });
      await client.close();
    }
  });
  afterAll(async () => {
    for (const store of stores) await store.stop();
    rmSync(folder, { recursive: true });
  });

  const steps = SESSION.filter(({ since }) => release === ETCD_36 || since === undefined);
  test.each(steps)("$line", async ({ line, input }) => {
    const words = line.split(" ").map((word) => (word === "''" ? "" : word));
    for (const format of JUDGED) {
      const args = [...words, "-w", format];
      const answers = await Promise.all(
        stores.map(({ endpoint }) => run(release, endpoint, args, input)),
      );
      const [own, peers] = answers.map((printed) => comparable(line, format, printed));
      expect(own, `-w ${format}`).toBe(peers);
      // An error is printed by the client itself, with the same text in every format.
      if (format === "json" && answers.every(({ code }) => code !== 0)) break;
    }
  });

  test("a learner comes and goes", async () => {
    const said = stores.map(async ({ endpoint }) => {
      const lines: string[] = [];
      const say = async (line: string, format: Format = "simple") => {
        const printed = await run(release, endpoint, [...line.split(" "), "-w", format]);
        // Members come in the order of their ids, which are random.
        const pieces = comparable(line, format, printed).split(/[\n,|{}[\]]+/);
        lines.push(
          pieces
            .map((piece) => piece.trim())
            .sort()
            .join(" "),
        );
        return printed.output.toString();
      };
      const added = await say("member add x --learner --peer-urls=http://127.0.0.1:9", "json");
      const { member } = JSON.parse(added.replace(/"ID":([0-9]+)/g, '"ID":"$1"')) as {
        member: { ID: string };
      };
      const id = BigInt(member.ID).toString(16);
      for (const format of JUDGED) await say("member list", format);
      await say("member add y --learner --peer-urls=http://127.0.0.1:9,http://127.0.0.1:6");
      await say("member add y --learner --peer-urls=http://127.0.0.1:8");
      await say(`member promote ${id}`);
      await say(`member update ${id} --peer-urls=http://127.0.0.1:7`);
      await say(`member remove ${id}`);
      await say(`member remove ${id}`);
      await say("member list", "json");
      return lines;
    });
    const [own, peers] = await Promise.all(said);
    expect(own).toEqual(peers);
  });

  test.each(JUDGED.filter((format) => format !== "table"))("watch -w %s", async (format) => {
    const watched = stores.map(async ({ endpoint }) => {
      const key = `watched-${format}`;
      const put = await run(release, endpoint, ["put", key, "1", "-w", "json"]);
      const { header } = JSON.parse(put.output.toString()) as { header: { revision: number } };
      await run(release, endpoint, ["put", key, "2"]);
      await run(release, endpoint, ["del", key]);
      const args = ["watch", key, `--rev=${header.revision}`, "--prev-kv", "-w", format];
      const all = (output: string) => WHOLE_DELETE[format]!.test(output);
      return comparable("watch", format, await start(release, endpoint, args, all).printed);
    });
    const [own, peers] = await Promise.all(watched);
    expect(own).toBe(peers);
  });

  test("elect: the proposal is printed, and seen by a listener", async () => {
    const elected = stores.map(async ({ endpoint }) => {
      const won = (output: string) => output.includes("proposal");
      const leader = start(release, endpoint, ["elect", "office", "proposal"]);
      const seen = start(release, endpoint, ["elect", "office", "-l"], won);
      const listened = await seen.printed;
      leader.child.kill("SIGKILL");
      await leader.printed;
      return comparable("elect", "simple", listened);
    });
    const [own, peers] = await Promise.all(elected);
    expect(own).toBe(peers);
  });
}

describe.runIf(isThere(ETCD_34))("etcdctl 3.4 in every format", () => sameOutput(ETCD_34));
describe.runIf(isThere(ETCD_36))("etcdctl 3.6 in every format", () => sameOutput(ETCD_36));
