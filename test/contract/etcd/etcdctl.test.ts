import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ETCDCTL, etcdctl, withoutIdentity, words } from "./etcdctl.ts";
import { ETCD_PROGRAM, type Running, served, upstream } from "./implementations.ts";

// Takes turns, clients of etcd: the files compare what a client says of ours and of etcd, here
// etcdctl, in etcdctl-auth.test.ts with users, in etcdctl-formats.test.ts in every format, in
// etcd3.test.ts npm's, in snapshot.test.ts etcdctl's and etcd's of snapshots. The store's own
// answers are in every run: etcd.test.ts.

/** Commands in their order, as one would type them, with what goes to standard input. */
const SESSION: [string, string?][] = [
  ["put foo bar"],
  ["put foo2 bar2"],
  ["put foo3 --prev-kv", "from stdin"],
  ["put foo new --prev-kv"],
  ["get foo"],
  ["get foo --print-value-only"],
  ["get foo --hex"],
  ["get foo foo3"],
  ["get --prefix foo --limit=2"],
  ["get --prefix foo --keys-only"],
  ["get --prefix foo --sort-by=MODIFY --order=DESCEND"],
  ["get --from-key foo2"],
  ["get foo --rev=2"],
  ["get foo -w json"],
  ["get foo -w fields"],
  ["get none"],
  ["get none -w json"],
  ["put foo --ignore-value"],
  ["put none --ignore-value"],
  ['put "" x'],
  ["txn", 'mod("foo") > "1"\n\nput foo txn\nget foo\n\nput foo failed\n\n'],
  ["txn -w json", 'version("none") = "0"\nvalue("foo") = "txn"\n\ndel foo2\n\nget foo\n\n'],
  ["txn", 'value("foo") = "x"\n\nput a b\n\nget foo\n\n'],
  ["txn", "\nput dup 1\nput dup 2\n\n\n"],
  ["lease grant 100"],
  ["lease grant 1"],
  ["lease revoke 1234"],
  ["lease timetolive 1234"],
  ["lease keep-alive --once 1234"],
  ["put leased v --lease=1234"],
  ["compaction 4"],
  ["get foo --rev=2"],
  ["compaction 4"],
  ["compaction 1000"],
  ["compaction 5 --physical"],
  ["del foo --prev-kv"],
  ["del --prefix foo"],
  ["del none"],
  ['get --prefix "" -w json'],
];

const available = existsSync(ETCDCTL) && existsSync(ETCD_PROGRAM);

describe.runIf(available)("the real etcdctl", () => {
  let ours: Running;
  let theirs: Running;
  beforeAll(async () => {
    [ours, theirs] = [await served.start(), await upstream.start()];
  });
  afterAll(async () => {
    await ours.stop();
    await theirs.stop();
  });

  test.each(SESSION)("%s", async (line, input) => {
    const results = await Promise.all(
      [ours, theirs].map(({ endpoint }) => etcdctl(endpoint!, words(line), input)),
    );
    const [own, expected] = results.map(withoutIdentity);
    expect(own).toEqual(expected);
  });

  test("watch prints what happened and what happens", async () => {
    const endpoint = ours.endpoint!;
    const put = await etcdctl(endpoint, ["put", "seen", "1", "-w", "json"]);
    const { header } = JSON.parse(put.output) as { header: { revision: number } };
    const env = { ...process.env, ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: endpoint };
    const args = ["watch", "seen", `--rev=${header.revision}`, "--prev-kv"];
    const child = spawn(ETCDCTL, args, { env, stdio: ["ignore", "pipe", "ignore"] });
    const printed = new Promise<string>((resolve) => {
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes("DELETE\nseen\n2\nseen\n")) resolve(output);
      });
    });
    await etcdctl(endpoint, ["put", "seen", "2"]);
    await etcdctl(endpoint, ["del", "seen"]);
    const lines = (await printed).trim().split("\n");
    child.kill("SIGKILL");
    expect(lines.join(" ")).toBe("PUT seen 1 PUT seen 1 seen 2 DELETE seen 2 seen");
  });

  test("endpoint status and health, member list", async () => {
    // etcdctl 3.4 sends the whole URL as HTTP/2's :authority here.
    const table = await etcdctl(ours.endpoint!, ["endpoint", "status", "-w", "table"]);
    expect(table.output).toContain("IS LEADER");
    expect(table.output).toMatch(/\| +3\.6\.[0-9]+ +\|.*\| +true \| +false \|/);
    const health = await etcdctl(ours.endpoint!, ["endpoint", "health"]);
    expect(health.output).toContain("is healthy");
    const members = await etcdctl(ours.endpoint!, ["member", "list"]);
    expect(members.output).toContain(`started, default, , ${ours.endpoint}, false`);
    const defragmented = await etcdctl(ours.endpoint!, ["defrag"]);
    expect(defragmented.output).toContain("Finished defragmenting");
  });
});
