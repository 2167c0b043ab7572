import type { TestCluster } from "./cluster.ts";

/** A pod of a test, and where it is. */
type Placed = { readonly name: string; readonly node: string; readonly ip: string };

/** A NetworkPolicy as a manifest. */
export const policy = (name: string, spec: object) =>
  JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name },
    spec,
  });

/** Waits until a pod gets an answer from a server of HTTP, or gets none. */
export async function reaches(
  cluster: TestCluster,
  from: string,
  address: string,
  wanted: boolean,
  port = 80,
): Promise<void> {
  const ask = `echo GET / | nc -w 1 ${address} ${port} | wc -c`;
  const what = `${from} ${wanted ? "to reach" : "not to reach"} ${address}`;
  await cluster.until(
    what,
    ["exec", from, "--", "sh", "-c", ask],
    (text) => Number(text) > 0 === wanted,
  );
}

/** A pod of an app on a node, which returns what comes to port 8080. */
const echoPod = (name: string, app: string, nodeName: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app } },
  spec: {
    nodeName,
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: "main",
        image: "r2k.local/busybox:1",
        command: ["nc", "-ll", "-p", "8080", "-e", "cat"],
      },
    ],
  },
});

/**
 * A policy admits pods by their labels where they come through a Service, of the server's node and
 * of another, and no others.
 */
export async function policiesThroughService(
  cluster: TestCluster,
  [node, other]: readonly [string, string],
): Promise<void> {
  const pods = [
    ["guarded", "guarded", node],
    ["friend", "friend", node],
    ["distant-friend", "friend", other],
    ["stranger", "stranger", node],
  ] as const;
  const ports = [{ port: 80, targetPort: 8080 }];
  const items: unknown[] = [
    ...pods.map(([name, app, on]) => echoPod(name, app, on)),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "guarded" },
      spec: { selector: { app: "guarded" }, ports },
    },
    JSON.parse(
      policy("guard", {
        podSelector: { matchLabels: { app: "guarded" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }] }],
      }),
    ),
  ];
  await cluster.apply(JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await cluster.ask("wait", ...pods.map(([name]) => `pod/${name}`), "--for=condition=Ready");
  for (const name of ["friend", "distant-friend"]) await reaches(cluster, name, "guarded", true);
  await reaches(cluster, "stranger", "guarded", false);
  await cluster.ask(
    "delete",
    ...pods.map(([name]) => `pod/${name}`),
    "service/guarded",
    "networkpolicy/guard",
  );
}

/**
 * The policies of a pod's node admit pods of other nodes by their labels, directly and through a
 * Service, and no others; those of the sender's node judge where it sends to.
 */
export async function policiesAcrossNodes(
  cluster: TestCluster,
  agents: readonly Placed[],
  [mover]: readonly Placed[],
): Promise<void> {
  const [from, to] = [mover!, agents.find(({ node }) => node !== mover!.node)!];
  const beside = agents.find(({ node }) => node === from.node)!;
  const can = (name: string, address: string, wanted: boolean) =>
    reaches(cluster, name, address, wanted, 8080);
  const ofApp = (app: string) => ({ podSelector: { matchLabels: { app } } });
  await cluster.apply(
    policy("to-agents", {
      ...ofApp("agent"),
      ingress: [{ from: [ofApp("moving")], ports: [{ port: 8080 }] }],
    }),
  );
  await can(beside.name, to.ip, false);
  await can(from.name, to.ip, true);
  await can(from.name, beside.ip, true);
  await reaches(cluster, from.name, "agents", true);
  await cluster.apply(
    policy("from-movers", {
      ...ofApp("moving"),
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: `${beside.ip}/32` } }] }],
    }),
  );
  await can(from.name, to.ip, false);
  await can(from.name, beside.ip, true);
  await cluster.ask("delete", "networkpolicy", "to-agents", "from-movers");
  await can(beside.name, to.ip, true);
}
