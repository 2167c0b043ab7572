import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { expect } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type TestCluster } from "./cluster.ts";

const patience = { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS };
const ADDRESS = "jsonpath={.status.loadBalancer.ingress[0].ip}";

/** A Service of the type LoadBalancer before the pods of an app. */
export function balanced(name: string, app: string, more: object = {}, annotations: object = {}) {
  const ports = [{ port: 80, targetPort: 8080 }];
  const spec = { type: "LoadBalancer", selector: { app }, ports, ...more };
  const metadata = { name, annotations };
  return JSON.stringify({ apiVersion: "v1", kind: "Service", metadata, spec });
}

/** Waits until a Service has an address, and returns it. */
export function balancedAddress(cluster: TestCluster, name: string): Promise<string> {
  const args = ["get", "service", name, "-o", ADDRESS];
  return cluster.until(`the address of ${name}`, args, (text) => text !== "");
}

const refusal = (about: string) => [
  "get",
  "events",
  "--field-selector",
  `involvedObject.name=${about},type=Warning`,
  "-o",
  "jsonpath={.items[*].message}",
];

/** Addresses of load balancers are their Services', from the administrator's pools. */
export async function loadBalancing(cluster: TestCluster, app: string): Promise<void> {
  await addressesBelongToServices(cluster, app);
  await addressesAreTheControllers(cluster, app);
  await poolsAreConfigured(cluster, app);
}

/** A Service's address answers on the host; one of another tenant's cannot be had. */
async function addressesBelongToServices(cluster: TestCluster, app: string): Promise<void> {
  await cluster.apply(balanced("balanced", app));
  const address = await balancedAddress(cluster, "balanced");
  expect(address).toMatch(/^10\.201\.\d+\.\d+$/);
  await answersAt(cluster, address, app);
  // Another namespace's: by the field, and by its status.
  const thief = await cluster.inNamespace("thief");
  await thief.ask("create", "rolebinding", "edit", "--clusterrole=edit", "--user=thief");
  await thief.apply(balanced("taken", app, { loadBalancerIP: address }));
  await thief.until("the refusal", refusal("taken"), (text) =>
    text.includes(`${address} is in use by another Service`),
  );
  expect(await thief.ask("get", "service", "taken", "-o", ADDRESS)).toBe("");
  const verbs = ["patch", "update"].map((verb) =>
    thief.kubectl(["auth", "can-i", verb, "services", "--subresource=status", "--as=thief"]),
  );
  expect((await Promise.all(verbs)).map(({ stdout }) => stdout)).toEqual(["no\n", "no\n"]);
  await cluster.ask("delete", "namespace", "thief", "--wait=false");
}

/**
 * A further address that the status gets goes away; the address of a Service that ends is not
 * given to another one while the nodes serve it.
 */
async function addressesAreTheControllers(cluster: TestCluster, app: string): Promise<void> {
  await cluster.apply(balanced("ending", app));
  const address = await balancedAddress(cluster, "ending");
  const ingress = [{ ip: address, ipMode: "VIP" }, { ip: "192.0.2.77" }];
  const patch = JSON.stringify({ status: { loadBalancer: { ingress } } });
  await cluster.ask("patch", "service", "ending", "--subresource=status", "-p", patch);
  await cluster.until(
    "one address",
    ["get", "service", "ending", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"],
    (text) => text === address,
  );
  const hold = (finalizers: string[]) =>
    cluster.ask(
      "patch",
      "service",
      "ending",
      "--type=merge",
      "-p",
      JSON.stringify({ metadata: { finalizers } }),
    );
  await hold(["example.com/hold"]);
  await cluster.ask("delete", "service", "ending", "--wait=false");
  await cluster.apply(balanced("after", app, { loadBalancerIP: address }));
  await cluster.until("the refusal", refusal("after"), (text) =>
    text.includes(`${address} is in use by another Service`),
  );
  await hold([]);
  expect(await balancedAddress(cluster, "after")).toBe(address);
  await cluster.ask("delete", "service", "after");
}

/** Waits until a pod of an app answers on the host at an address. */
export function answersAt(cluster: TestCluster, address: string, app: string): Promise<true> {
  const answer = () => cluster.curl(`http://${address}/`);
  return waitFor(
    `an answer at ${address}`,
    async () => (await answer()).startsWith(`${app}-`) && true,
    patience,
  );
}

/**
 * Pools are the administrator's: one with a mistake changes nothing, a further one is had on
 * request, and the host's routes are not for its addresses.
 */
async function poolsAreConfigured(cluster: TestCluster, app: string): Promise<void> {
  const set = (data: Record<string, string>) =>
    cluster.apply(
      JSON.stringify({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "load-balancer-pools", namespace: "kube-system" },
        data,
      }),
    );
  await set({ blue: "192.0.2.0/33" });
  const events = ["-n", "kube-system", ...refusal("load-balancer-pools")];
  await cluster.until("the pools' problem", events, (text) =>
    text.includes("blue: 192.0.2.0/33 is not a range of IPv4 addresses"),
  );
  const before = await balancedAddress(cluster, "balanced");
  await set({ blue: "192.0.2.0/30" });
  const pool = { "r2k.io/load-balancer-pool": "blue" };
  await cluster.apply(balanced("blue", app, {}, pool));
  expect(await balancedAddress(cluster, "blue")).toBe("192.0.2.1");
  expect(await balancedAddress(cluster, "balanced")).toBe(before);
  const { stdout: routes } = await cluster.host.run("ip", ["route"]);
  expect(routes).toContain(`${before} via `);
  expect(routes).not.toContain("192.0.2.");
}
