import { createHmac } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { CONFIG_MAPS, NODES, SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";

const TIMEOUT_MS = 60_000;
const TYPE = "bootstrap.kubernetes.io/token";
const SECRET = "0123456789abcdef";
const INFO = { namespace: "kube-public", name: "cluster-info" };

/** The rules of bootstrap tokens, and of the TTL of nodes: `n1` must be there. */
export function tokenRules(given: () => Pick<ControlPlane, "clock" | "admin">): void {
  const until = (what: string, holds: () => Promise<boolean>) =>
    waitFor(what, holds, { timeout_ms: TIMEOUT_MS });
  const secrets = () => given().admin.resource(SECRETS);
  const maps = () => given().admin.resource(CONFIG_MAPS);
  const create = (id: string, fields: Record<string, string>, type = TYPE) =>
    secrets().create({
      metadata: { namespace: "kube-system", name: `bootstrap-token-${id}` },
      type,
      stringData: { "token-id": id, "token-secret": SECRET, ...fields },
    });
  const inTime = (left_ms: number) => ({ expiration: timeText(given().clock.now() + left_ms) });

  it("a bootstrap token is deleted at its end, and no other Secret", async () => {
    await create("behind", inTime(-1_000), "Opaque");
    await create("lasts1", inTime(3_600_000));
    await create("passed", inTime(-1_000));
    await create("passes", inTime(2_000));
    const names = async () => {
      const { items } = await secrets().list({ namespace: "kube-system" });
      return items
        .map(({ metadata }) => metadata.name)
        .filter((name) => name?.startsWith("bootstrap-token-"))
        .sort();
    };
    await until("two to go", async () => (await names()).length === 2);
    expect(await names()).toEqual(["bootstrap-token-behind", "bootstrap-token-lasts1"]);
  });

  it("cluster-info is signed by each token that may sign, as kubeadm verifies it", async () => {
    const signing = { "usage-bootstrap-signing": "true" };
    const kubeconfig = "apiVersion: v1\nkind: Config\n";
    await maps().create({ metadata: INFO, data: { kubeconfig, note: "kept" } });
    await create("abcdef", { ...signing, ...inTime(3_600_000) });
    await create("fedcba", signing);
    await create("silent", { "usage-bootstrap-signing": "false" });
    const signatures = async () => {
      const { data = {} } = await maps().get(INFO);
      expect(data["note"]).toBe("kept");
      return Object.fromEntries(Object.entries(data).filter(([key]) => key.startsWith("jws-")));
    };
    const both = (content: string) => ({
      "jws-kubeconfig-abcdef": signature(content, "abcdef"),
      "jws-kubeconfig-fedcba": signature(content, "fedcba"),
    });
    const become = (what: string, wanted: Record<string, string>) =>
      until(what, async () => isDeepStrictEqual(await signatures(), wanted));
    await become("two signatures", both(kubeconfig));
    const other = `${kubeconfig}clusters: []\n`;
    await maps().patch(INFO, "merge", { data: { kubeconfig: other } });
    await become("signatures of the change", both(other));
    await secrets().delete({ namespace: "kube-system", name: "bootstrap-token-fedcba" });
    await become("one left", { "jws-kubeconfig-abcdef": signature(other, "abcdef") });
    await maps().patch(INFO, "merge", { data: { "jws-kubeconfig-nobody": "x" } });
    await become("no signature of others", { "jws-kubeconfig-abcdef": signature(other, "abcdef") });
  });

  it("a node of a small cluster may keep Secrets for no time", async () => {
    const node = () => given().admin.resource(NODES).get({ name: "n1" });
    await until(
      "the annotation",
      async () => (await node()).metadata.annotations?.["node.alpha.kubernetes.io/ttl"] === "0",
    );
  });
}

/** RFC 7515 with the payload left out, as `kubeadm join` computes it. */
function signature(content: string, id: string): string {
  const head = Buffer.from(`{"alg":"HS256","kid":"${id}"}`).toString("base64url");
  const payload = Buffer.from(content).toString("base64url");
  const code = createHmac("sha256", SECRET).update(`${head}.${payload}`).digest("base64url");
  return `${head}..${code}`;
}
