import { spawn } from "node:child_process";

/** Debian's etcdctl, 3.4. */
export const ETCDCTL = "/usr/bin/etcdctl";

/** etcdctl's own limits are two and five seconds, too short on a machine that others use too. */
export const PATIENT = { ETCDCTL_DIAL_TIMEOUT: "30s", ETCDCTL_COMMAND_TIMEOUT: "50s" };

export type Result = { code: number | null; output: string };

/** Runs etcdctl to its end; `input` goes to its standard input. */
export function etcdctl(
  endpoint: string,
  args: string[],
  input = "",
  program = ETCDCTL,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...PATIENT, ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: endpoint };
    const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
    // One that fails before it reads its input closes it.
    child.stdin.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") reject(error);
    });
    child.stdin.end(input);
  });
}

/** Removes the parts that identify a store or a moment: ids, terms, times, addresses. */
export function withoutIdentity({ code, output }: Result): Result {
  const common = output
    .split("\n")
    // The client logs its retries, with addresses and times.
    .filter((line) => !line.startsWith('{"level":"warn"'))
    .join("\n")
    .replace(/"(cluster_id|member_id|raft_term)":[0-9]+/g, '"$1":0')
    .replace(/"(ClusterID|MemberID|RaftTerm)" : [0-9]+/g, '"$1" : 0')
    .replace(/lease [0-9a-f]+/g, "lease ID")
    .replace(/remaining\([0-9]+s\)/g, "remaining(s)");
  return { code, output: common };
}

/** A line's words; `""` is an empty one. */
export function words(line: string): string[] {
  return line.split(" ").map((word) => (word === '""' ? "" : word));
}
