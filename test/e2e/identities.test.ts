import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

const MASTERS = "system:masters";

/** Every component's kubeconfig, and its expected user. */
const COMPONENTS: Record<string, { username: string; groups: string[] }> = {
  "controller-manager": { username: "system:kube-controller-manager", groups: [] },
  scheduler: { username: "system:kube-scheduler", groups: [] },
  kubelet: { username: "system:node:NODE", groups: ["system:nodes"] },
  proxy: { username: "system:r2k:proxy:NODE", groups: ["system:r2k:proxies"] },
  dns: { username: "system:r2k:dns:NODE", groups: ["system:r2k:dns"] },
  "csi-provisioner": {
    username: "system:r2k:csi-provisioner:NODE",
    groups: ["system:r2k:csi-provisioners"],
  },
};

let cluster: TestCluster;
let dataDir: string;
let nodeName: string;

beforeAll(async () => {
  cluster = await sharedCluster("identities");
  dataDir = join(cluster.host.dir, "data", cluster.name);
  nodeName = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
});

afterAll(async () => {
  await cluster?.ask("delete", "node", "other", "--ignore-not-found");
  await cluster?.leave();
});

type UserInfo = { readonly username: string; readonly groups: readonly string[] };

/** Returns the user that the apiserver sees for a kubeconfig. */
async function whoIs(kubeconfig: string): Promise<UserInfo> {
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const asked = await cluster.kubectl(["create", "-f", "-", "-o", "json", "--validate=false"], {
    env: { KUBECONFIG: kubeconfig },
    input: JSON.stringify(review),
  });
  expect(asked.code, asked.stderr).toBe(0);
  return (JSON.parse(asked.stdout) as { status: { userInfo: UserInfo } }).status.userInfo;
}

/** The client certificate inside a kubeconfig. */
function certificateOf(kubeconfig: string): X509Certificate {
  const { users } = parse(readFileSync(kubeconfig, "utf8")) as {
    users: { user: { "client-certificate-data": string } }[];
  };
  return new X509Certificate(Buffer.from(users[0]!.user["client-certificate-data"], "base64"));
}

const kubeconfigOf = (name: string) => join(dataDir, `${name}.conf`);

describe("identities", () => {
  it("there is a kubeconfig for the user, one for each component, and no other", () => {
    const files = readdirSync(dataDir).filter((name) => name.endsWith(".conf"));
    const names = files.map((name) => basename(name, ".conf"));
    expect(names.sort()).toEqual(["admin", ...Object.keys(COMPONENTS)].sort());
  });

  it("only the user's certificate is of system:masters", () => {
    const pki = readdirSync(join(dataDir, "pki")).filter((name) => name.endsWith(".crt"));
    expect(pki).toContain("apiserver-kubelet-client.crt");
    for (const name of pki) {
      const { subject } = new X509Certificate(readFileSync(join(dataDir, "pki", name)));
      expect(subject, name).not.toContain(MASTERS);
    }
    for (const name of Object.keys(COMPONENTS)) {
      expect(certificateOf(kubeconfigOf(name)).subject, name).not.toContain(MASTERS);
    }
    expect(certificateOf(kubeconfigOf("admin")).subject).toContain(MASTERS);
  });

  for (const [name, expected] of Object.entries(COMPONENTS)) {
    it(`the apiserver takes ${name} for ${expected.username}`, async () => {
      const { username, groups } = await whoIs(kubeconfigOf(name));
      expect(username).toBe(expected.username.replace("NODE", nodeName));
      expect([...groups].sort()).toEqual([...expected.groups, "system:authenticated"].sort());
    });
  }

  it("no component may do everything", async () => {
    for (const name of Object.keys(COMPONENTS)) {
      const all = await cluster.kubectl(["auth", "can-i", "*", "*"], {
        env: { KUBECONFIG: kubeconfigOf(name) },
      });
      expect(all.stdout.trim(), name).toBe("no");
    }
    expect(await cluster.ask("auth", "can-i", "*", "*")).toBe("yes");
  });

  it("a kubelet may change its own node and no other's", async () => {
    const label = (node: string) =>
      cluster.kubectl(["label", "node", node, "r2k.dev/x=y", "--overwrite"], {
        env: { KUBECONFIG: kubeconfigOf("kubelet") },
      });
    expect((await label(nodeName)).stderr).toBe("");
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "other" } };
    await cluster.apply(JSON.stringify(node));
    expect((await label("other")).stderr).toMatch(/[Ff]orbidden/);
  });

  it("the controllers serve metrics to users that may get them", async () => {
    const { hostAddress } = JSON.parse(readFileSync(join(dataDir, "cluster.json"), "utf8")) as {
      hostAddress: string;
    };
    const get = (kubeconfig: string, path: string) =>
      cluster.kubectl(
        [
          "get",
          "--raw",
          path,
          "--server",
          `https://${hostAddress}:10257`,
          "--insecure-skip-tls-verify",
        ],
        { env: { KUBECONFIG: kubeconfig } },
      );
    const metrics = await get(kubeconfigOf("admin"), "/metrics");
    expect(metrics.stdout, metrics.stderr).toContain("running_managed_controllers{");
    expect((await get(kubeconfigOf("dns"), "/metrics")).stderr).toMatch(/[Ff]orbidden/);
    expect((await get(kubeconfigOf("admin"), "/healthz/job-controller")).stdout).toBe("ok");
  });

  it("an external address of a Service takes over no traffic", async () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "greedy" },
      spec: { ports: [{ port: 6443 }], externalIPs: ["192.0.2.1"] },
    };
    const made = await cluster.kubectl(["create", "-f", "-"], { input: JSON.stringify(service) });
    expect(made.stderr).toContain("Use of external IPs is denied by admission control");
  });
});
