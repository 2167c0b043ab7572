import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../../testing/wait.ts";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const VERSION = "v0.15.2";
const MODULE = `go.universe.tf/metallb@${VERSION}`;
const CLASS = "--lb-class=metallb.io/layer2";
const BALANCED = join(import.meta.dirname, "testdata/metallb.yaml");
const WEBHOOKS = "validatingwebhookconfiguration/metallb-webhook-configuration";
const IN = ["-n", "metallb-system"];
const TIMEOUT = "--timeout=120s";
const WITHIN = { timeout_ms: 120_000, interval_ms: 250 };
const ROOT = 0;

/** The published manifest: our cluster serves Services without a class, so this one gets its own. */
async function manifest(): Promise<string> {
  const path = join(await releasedSources(MODULE), "config/manifests/metallb-native.yaml");
  return (await readFile(path, "utf8")).replaceAll(/^( +)- --port=7472$/gm, `$&\n$1- ${CLASS}`);
}

/** An address of the nodes' network that no node has. */
async function freeAddress(place: Place): Promise<string> {
  const path = '-o=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}';
  return (await place.kubectl("get", "nodes", path)).replace(/\d+$/, "240");
}

const pool = (place: Place, name: string, address: string) =>
  place.kubectl("apply", "--server-side", "-f", "-", {
    input: JSON.stringify({
      apiVersion: "metallb.io/v1beta1",
      kind: "IPAddressPool",
      metadata: { name, namespace: "metallb-system" },
      spec: { addresses: [`${address}-${address}`] },
    }),
  });

const untilAt = (place: Place, service: string, address: string) =>
  place.kubectl(
    "wait",
    `--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${address}`,
    `service/${service}`,
    TIMEOUT,
  );

/** Asks the server of the pods at an address. */
function answer(place: Place, address: string): Promise<string> {
  const ask = ["wget", "-qO-", `http://${address}/etc/hostname`];
  return place.kubectl("exec", "deployment/balanced", "--", ...ask);
}

/** MetalLB: the status of Services from its pools, and speakers in the nodes' network. */
export const metallb: Program = {
  name: "MetalLB",
  version: VERSION,
  needs: ["metallb-controller", "metallb-speaker"],
  uses: [
    {
      use: "apply its published manifest, with a class; start its controller and its speaker",
      async run(place) {
        for (const name of ["controller", "speaker"]) {
          const image = `quay.io/metallb/${name}:${VERSION}`;
          await buildImage(place, image, `metallb-${name}`, `/${name}`, ROOT);
        }
        const input = await manifest();
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        for (const each of ["deployment/controller", "daemonset/speaker"])
          await place.kubectl("rollout", "status", each, ...IN, TIMEOUT);
        const trusted = "--for=jsonpath={.webhooks[0].clientConfig.caBundle}";
        await place.kubectl("wait", trusted, WEBHOOKS, TIMEOUT);
      },
    },
    {
      use: "give a Service the address of a pool, which pods reach and its speaker announces",
      async run(place) {
        const address = await freeAddress(place);
        await waitFor("its webhook", () => pool(place, "compat", address), WITHIN);
        await place.kubectl("apply", "--server-side", "-f", BALANCED);
        await untilAt(place, "first", address);
        await waitFor(address, () => answer(place, address), WITHIN);
        const announced = "-o=jsonpath={.items[*].status.serviceName}";
        mustHave(await place.kubectl("get", "servicel2statuses", ...IN, announced), "first");
      },
    },
    {
      use: "give the address to a Service that waits for it when the first is gone",
      async run(place) {
        const reasons = ["get", "events", "--field-selector=involvedObject.name=second"];
        mustHave(await place.kubectl(...reasons), "AllocationFailed");
        await place.kubectl("delete", "service", "first", TIMEOUT);
        const address = await freeAddress(place);
        await untilAt(place, "second", address);
        await waitFor(address, () => answer(place, address), WITHIN);
      },
    },
    {
      use: "refuse a pool that overlaps another by its webhook",
      async run(place) {
        const other = pool(place, "other", await freeAddress(place));
        mustHave(await refusal(other), "overlaps with already defined");
      },
    },
    {
      use: "remove its definitions with all that is of them",
      async run(place) {
        await place.kubectl("delete", "--ignore-not-found", TIMEOUT, "-f", BALANCED);
        const input = await manifest();
        await place.kubectl("delete", "--ignore-not-found", TIMEOUT, "-f", "-", { input });
      },
    },
  ],
};
