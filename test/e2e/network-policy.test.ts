import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import { policy, reaches as reachesIn } from "./policies.ts";
import { sharedCluster } from "./shared-cluster.ts";

/** Pods that try to connect in their first moment. */
const NEWCOMERS = 8;

let cluster: TestCluster;

const server = (name: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: r2k.local/busybox:1
      command: [httpd, -f, -p, "80", -h, /etc]
      ports: [{ name: web, containerPort: 80 }]
      readinessProbe: { httpGet: { path: /hosts, port: web }, periodSeconds: 1 }
---`;

/** Connects as soon as it runs, and again and again; its log has a line for each answer. */
const newcomer = (name: string, address: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: newcomer } }
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: r2k.local/busybox:1
      command:
        - sh
        - -c
        - for i in 1 2 3; do echo GET / | nc -w 1 ${address} 80 2>/dev/null | head -c 4; done; true
---`;

const apply = (manifest: string) => cluster.apply(manifest);

const reaches = (from: string, address: string, wanted: boolean) =>
  reachesIn(cluster, from, address, wanted);

const addressOf = (pod: string) => cluster.ask("get", "pod", pod, "-o", "jsonpath={.status.podIP}");

describe("network policies", () => {
  let [one, two] = ["", ""];
  beforeAll(async () => {
    cluster = await sharedCluster("policies");
    await apply(["one", "two", "three"].map(server).join(""));
    await cluster.ask("wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s");
    [one, two] = [await addressOf("one"), await addressOf("two")];
  });
  afterAll(() => cluster?.leave());

  it("pods by label and a port by name are admitted, others not; probes pass", async () => {
    await reaches("two", one, true);
    await apply(
      policy("to-one", {
        podSelector: { matchLabels: { app: "one" } },
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: "three" } } }], ports: [{ port: "web" }] },
        ],
      }),
    );
    await reaches("two", one, false);
    await reaches("three", one, true);
    await cluster.ask("label", "pod", "two", "app=three", "--overwrite");
    await reaches("two", one, true);
    await cluster.ask("label", "pod", "two", "app=two", "--overwrite");
    await reaches("two", one, false);
    await cluster.ask("wait", "--for=condition=Ready", "pod", "one", "--timeout=60s");
  });

  it("`r2k explain policy` names the rule", async () => {
    const explain = (from: string) =>
      cluster.host.r2k([
        "explain",
        "policy",
        from,
        "one:80",
        "--name",
        cluster.name,
        "-n",
        "policies",
      ]);
    const [admitted, dropped] = [await explain("three"), await explain("two")];
    expect(admitted.stdout).toContain("yes  ingress of policies/one: to-one, spec.ingress[0]");
    expect(dropped.stdout).toContain("no   ingress of policies/one: no rule of to-one");
  });

  it("egress by the labels of DNS pods admits queries to the node's DNS alone", async () => {
    await apply(
      policy("from-two", {
        podSelector: { matchLabels: { app: "two" } },
        policyTypes: ["Egress"],
        egress: [
          {
            to: [
              {
                namespaceSelector: {
                  matchLabels: { "kubernetes.io/metadata.name": "kube-system" },
                },
                podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
              },
            ],
            ports: [{ port: 53, protocol: "UDP" }],
          },
        ],
      }),
    );
    await reaches("two", await addressOf("three"), false);
    const name = "kubernetes.default.svc.cluster.local";
    await cluster.until(
      "an answer of the DNS",
      ["exec", "two", "--", "sh", "-c", `nslookup -type=a ${name} || true`],
      (text) => text.includes(`Name:\t${name}`),
    );
  });

  it("policies are in force before a new pod's first packet", async () => {
    await apply(
      policy("from-newcomers", {
        podSelector: { matchLabels: { app: "newcomer" } },
        policyTypes: ["Egress"],
      }),
    );
    const names = Array.from({ length: NEWCOMERS }, (_, index) => `newcomer-${index}`);
    await apply(names.map((name) => newcomer(name, two)).join(""));
    for (const name of names) {
      await cluster.until(
        `${name} to end`,
        ["get", "pod", name, "-o", "jsonpath={.status.phase}"],
        (text) => text === "Succeeded",
      );
      expect(await cluster.ask("logs", name)).toBe("");
    }
    await cluster.ask("delete", "networkpolicy", "from-newcomers");
    await apply(newcomer("free", two));
    await cluster.until("an answer without the policy", ["logs", "free"], (text) =>
      text.includes("HTTP"),
    );
  });
});
