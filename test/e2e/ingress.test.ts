import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

let cluster: TestCluster;
let address: string;

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - { name: web, image: r2k.local/web:1, ports: [{ containerPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
`;

const GATEWAY = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate }
spec:
  gatewayClassName: r2k
  listeners: [{ name: http, port: 80, protocol: HTTP, hostname: "*.test" }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: gate }
spec:
  parentRefs: [{ name: gate }]
  hostnames: [gate.test]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /gate } }]
      filters:
        - type: URLRewrite
          urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: / } }
      backendRefs: [{ name: web, port: 80 }]
`;

const ingressOf = (namespace: string, name: string, more = "") => `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  ${more}
  rules:
    - host: web.test
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }
`;

beforeAll(async () => {
  cluster = await sharedCluster("ingress-test");
  const started = await cluster.host.r2k(["start", "--name", cluster.name, "--gateway"]);
  expect(started.code, started.stderr).toBe(0);
  await cluster.apply(WEB);
  await cluster.apply(ingressOf("ingress-test", "web", "ingressClassName: r2k"));
  const status = "jsonpath={.status.loadBalancer.ingress[0].ip}";
  const found = ["get", "ingress", "web", "-o", status];
  address = await cluster.until("an address of the Ingress", found, (text) => text !== "");
});

afterAll(async () => {
  await cluster.ask("delete", "namespace", "ingress", "ingress-other", "--ignore-not-found");
  for (const [kind, name] of [
    ["ingressclass", "r2k"],
    ["clusterrole", "system:r2k:ingress"],
    ["clusterrolebinding", "system:r2k:ingress"],
    ["clusterrole", "system:r2k:gateway"],
    ["clusterrolebinding", "system:r2k:gateway"],
    ...["gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants"].map(
      (each) => ["crd", `${each}.gateway.networking.k8s.io`] as const,
    ),
  ] as const)
    await cluster.ask("delete", kind, name);
  await cluster.leave();
});

async function curl(url: string, ...flags: string[]): Promise<string> {
  const { stdout } = await cluster.host.run("curl", ["-sS", "--max-time", "5", ...flags, url]);
  return stdout;
}

describe("the ingress controller of r2k start --gateway", () => {
  it("serves an Ingress at the address of its status, and by localhost's node port", async () => {
    await cluster.ask("rollout", "status", "deployment", "web", "--timeout=60s");
    await cluster.until(
      "an endpoint behind the Ingress",
      ["get", "endpointslices", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}"],
      (text) => text === "true true",
    );
    await expect
      .poll(() => curl(`http://${address}/`, "-H", "Host: web.test"))
      .toMatch(/^pod web-/);
    const spec = "jsonpath={.spec.externalTrafficPolicy} {.spec.ports[0].nodePort}";
    const service = await cluster.ask("get", "service", "ingress", "-n", "ingress", "-o", spec);
    const [policy, port] = service.split(" ");
    expect(policy, "else clients by one node have its address, and its bounds").toBe("Local");
    const resolve = ["--resolve", `web.test:${port}:127.0.0.1`];
    expect(await curl(`http://web.test:${port}/`, ...resolve)).toMatch(/^pod web-/);
    expect(await curl(`http://${address}/`)).toBe("no such host or path\n");
  });

  it("refuses another namespace's Ingress of the same host, by an Event", async () => {
    await cluster.ask("create", "namespace", "ingress-other");
    await cluster.apply(ingressOf("ingress-other", "thief"));
    const events = ["get", "events", "-n", "ingress-other", "-o", "jsonpath={.items[*].reason}"];
    await cluster.until("an event", events, (text) => text.includes("HostTaken"));
    expect(await curl(`http://${address}/`, "-H", "Host: web.test")).toMatch(/^pod web-/);
  });

  it("gives a Gateway an address of its own, at which its routes answer", async () => {
    await cluster.apply(GATEWAY);
    const fields = ["get", "gateway", "gate", "-o", "jsonpath={.status.addresses[0].value}"];
    const own = await cluster.until("the Gateway's address", fields, (text) => text !== "");
    expect(own).not.toBe(address);
    await expect
      .poll(() => curl(`http://${own}/gate`, "-H", "Host: gate.test"))
      .toMatch(/^pod web-/);
    expect(await curl(`http://${own}/`, "-H", "Host: web.test")).toBe("no such host or path\n");
    expect(await curl(`http://${address}/gate`, "-H", "Host: gate.test")).toBe(
      "no such host or path\n",
    );
    await cluster.ask("delete", "gateway", "gate");
    const services = ["get", "services", "-n", "ingress", "-o", "name"];
    await cluster.until("its Service to go", services, (text) => text === "service/ingress");
  });

  it("has the rights that it needs and no others; haproxy has no token", async () => {
    const may = async (...words: string[]) => {
      const account = "--as=system:serviceaccount:ingress:ingress";
      return (await cluster.kubectl(["auth", "can-i", ...words, "-A", account])).stdout.trim();
    };
    for (const words of [
      ["watch", "ingresses"],
      ["list", "secrets"],
      ["create", "events"],
    ]) {
      expect(await may(...words), words.join(" ")).toBe("yes");
    }
    for (const words of [
      ["update", "ingresses"],
      ["create", "secrets"],
      ["get", "secrets"],
      ["list", "pods"],
      ["update", "services"],
      ["list", "configmaps"],
      ["create", "pods"],
      ["get", "nodes"],
    ])
      expect(await may(...words), words.join(" ")).toBe("no");
    const mounts = await cluster.ask(
      "get",
      "pods",
      "-n",
      "ingress",
      "-o",
      'jsonpath={.items[0].spec.containers[?(@.name=="haproxy")].volumeMounts[*].name}',
    );
    expect(mounts).toBe("shared");
  });

  it("has users of its own, where the node's runtime has user namespaces", async () => {
    const can = await cluster.ask(
      "get",
      "nodes",
      "-o",
      'jsonpath={.items[0].status.runtimeHandlers[?(@.name=="")].features.userNamespaces}',
    );
    const own = await cluster.ask(
      "get",
      "pods",
      "-n",
      "ingress",
      "-o",
      "jsonpath={.items[0].spec.hostUsers}",
    );
    expect(own).toBe(can === "true" ? "false" : "");
  });
});
