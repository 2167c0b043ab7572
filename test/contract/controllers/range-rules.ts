import { IP_ADDRESSES, SERVICE_CIDRS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";
import { isGone } from "./file-control-plane.ts";

const TIMEOUT_MS = 60_000;
const FINALIZER = "networking.k8s.io/service-cidr-finalizer";
const namespace = "default";

/** The rules of ServiceCIDRs and of the addresses in them. */
export function rangeRules(given: () => Pick<ControlPlane, "clock" | "admin">): void {
  const until = (what: string, holds: () => Promise<boolean>) =>
    waitFor(what, holds, { timeout_ms: TIMEOUT_MS });
  const ranges = () => given().admin.resource(SERVICE_CIDRS);
  const services = () => given().admin.resource(SERVICES);
  const ready = async (name: string) => {
    const { metadata, status } = await ranges().get({ name });
    const [condition] = status?.conditions ?? [];
    return metadata.finalizers?.includes(FINALIZER)
      ? `${condition?.status} ${condition?.reason}: ${condition?.message}`
      : "";
  };
  const isReady = (name: string) =>
    until(
      `${name} to be ready`,
      async () => (await ready(name)) === "True : Kubernetes Service CIDR is ready",
    );
  const create = (name: string, clusterIP: string) =>
    services().create({
      metadata: { namespace, name },
      spec: { clusterIP, ports: [{ port: 80 }] },
    });

  it("a ServiceCIDR goes when no address is in it alone", async () => {
    await isReady("kubernetes");
    for (const [name, cidr] of [
      ["apart", "192.168.240.0/24"],
      ["inner", "10.96.200.0/24"],
    ]) {
      await ranges().create({ metadata: { name: name! }, spec: { cidrs: [cidr!] } });
      await isReady(name!);
    }
    await create("apart", "192.168.240.5");
    await create("inner", "10.96.200.5");
    const address = { name: "192.168.240.5" };
    const found = await given().admin.resource(IP_ADDRESSES).get(address);
    expect(found.spec.parentRef).toMatchObject({ resource: "services", namespace, name: "apart" });
    await ranges().delete({ name: "apart" });
    await ranges().delete({ name: "inner" });
    await until(
      "apart to be held",
      async () =>
        (await ready("apart")) ===
        "False Terminating: " +
          "There are still IPAddresses referencing the ServiceCIDR, " +
          "please remove them or create a new ServiceCIDR",
    );
    await expect(create("late", "192.168.240.6")).rejects.toMatchObject({ http: 422 });
    await services().delete({ namespace, name: "apart" });
    await until("the end of its address", () =>
      isGone(() => given().admin.resource(IP_ADDRESSES).get(address)),
    );
    // Within the other range, which has its address too.
    await until("the end of inner", () => isGone(() => ranges().get({ name: "inner" })));
    await until("the end of apart", () => isGone(() => ranges().get({ name: "apart" })));
    expect((await services().get({ namespace, name: "inner" })).spec?.clusterIP).toBe(
      "10.96.200.5",
    );
    await services().delete({ namespace, name: "inner" });
  });
}
