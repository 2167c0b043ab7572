import { copyFileSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { NODE_PARTS } from "@raft2kube/api/node-users.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type TestCluster } from "./cluster.ts";

const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Copies of a node's kubeconfigs and of the token of a pod on it, as an attacker would have. */
export class CopiedCredentials {
  readonly #cluster: TestCluster;
  /** Flags of kubectl for each. */
  readonly #ways: readonly string[][];

  private constructor(cluster: TestCluster, ways: readonly string[][]) {
    this.#cluster = cluster;
    this.#ways = ways;
  }

  /** Copies those of a node and of a pod on it, and throws unless each is accepted. */
  static async of(cluster: TestCluster, node: string, label: string): Promise<CopiedCredentials> {
    const { host, name } = cluster;
    const dir = mkdtempSync(join(host.dir, "copied-"));
    const files = NODE_PARTS.map((part) => {
      const copy = join(dir, `${part}.conf`);
      copyFileSync(join(host.dir, "data", name, "nodes", node, `${part}.conf`), copy);
      return copy;
    });
    const { server } = await readKubeconfig(files[0]!);
    const on = ["--field-selector", `spec.nodeName=${node}`];
    const pod = await cluster.ask("get", "pods", "-l", label, ...on, "-o", "name");
    const token = await cluster.ask("exec", pod.trim(), "--", "cat", TOKEN);
    const bearer = ["--server", server, "--insecure-skip-tls-verify", "--token", token];
    const ways = files.map((file) => ["--kubeconfig", file]);
    const all = [...ways, ["--kubeconfig", "/dev/null", ...bearer]];
    const copied = new CopiedCredentials(cluster, all);
    const accepted = await copied.#accepted();
    if (accepted.length === all.length) return copied;
    throw new Error(`only ${accepted.join(", ")} are accepted`);
  }

  /** Waits: the API server believes a token that it has verified for some seconds more. */
  async untilRefused(): Promise<void> {
    const options = { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS };
    const areRefused = async () => (await this.#accepted()).length === 0;
    await waitFor("the copies to be refused", areRefused, options);
  }

  /** Returns the users of those that the API server accepts; throws if one fails otherwise. */
  async #accepted(): Promise<string[]> {
    const whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    const users = await Promise.all(
      this.#ways.map(async (way) => {
        const { code, stdout, stderr } = await this.#cluster.kubectl([...way, ...whoami]);
        if (code === 0) return [stdout];
        if (stderr.includes("(Unauthorized)")) return [];
        throw new Error(`kubectl ${way.join(" ")}: ${stderr}`);
      }),
    );
    return users.flat();
  }
}
