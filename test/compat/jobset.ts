import { join } from "node:path";
import { waitFor } from "../../testing/wait.ts";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const VERSION = "v0.10.1";
const MODULE = `sigs.k8s.io/jobset@${VERSION}`;
const IMAGE = `us-central1-docker.pkg.dev/k8s-staging-images/jobset/jobset:${VERSION}`;
const SETS = join(import.meta.dirname, "testdata/jobset.yaml");
const TIMEOUT = "--timeout=180s";
const WITHIN = { timeout_ms: 180_000, interval_ms: 250 };

const completed = (place: Place, set: string) =>
  place.kubectl("wait", "--for=condition=Completed", `jobset/${set}`, TIMEOUT);

const ofSet = (set: string) => ["-l", `jobset.sigs.k8s.io/jobset-name=${set}`];

/** The names of the Jobs or pods of a set. */
async function namesOf(place: Place, kind: "jobs" | "pods", set: string): Promise<string[]> {
  const names = ["get", kind, ...ofSet(set), "-o=jsonpath={.items[*].metadata.name}"];
  return (await place.kubectl(...names)).split(" ").filter((name) => name !== "");
}

/** JobSet: Jobs that start, end and are started again together, whose pods find each other. */
export const jobset: Program = {
  name: "JobSet",
  version: VERSION,
  needs: ["jobset"],
  uses: [
    {
      use: "apply its published configuration; start its manager, whose webhooks make certificates",
      async run(place) {
        await buildImage(place, IMAGE, "jobset", "/manager");
        const folder = join(await releasedSources(MODULE), "config/default");
        await place.kubectl("apply", "--server-side", "-k", folder);
        const manager = ["deployment/jobset-controller-manager", "-n", "jobset-system", TIMEOUT];
        await place.kubectl("rollout", "status", ...manager);
        const apply = () => place.kubectl("apply", "--server-side", "-f", SETS);
        await waitFor("its webhooks", apply, WITHIN);
      },
    },
    {
      use: "start workers once their driver is ready, which they find by its name; end them with it",
      async run(place) {
        await completed(place, "joined");
        const jobs = async () => (await namesOf(place, "jobs", "joined")).join();
        await waitFor("its driver alone", async () => (await jobs()) === "joined-driver-0", WITHIN);
      },
    },
    {
      use: "start all Jobs again when one of them fails",
      async run(place) {
        await completed(place, "again");
        const restarts = ["get", "jobset", "again", "-o=jsonpath=<{.status.restarts}>"];
        mustHave(await place.kubectl(...restarts), "<1>");
      },
    },
    {
      use: "give each Job a node of its own: without one, its first pod waits, its others are refused",
      async run(place) {
        const pods = async () => namesOf(place, "pods", "apart");
        await waitFor("three pods", async () => (await pods()).length === 3, WITHIN);
        const phases = ["get", "pods", ...ofSet("apart"), "-o=jsonpath={.items[*].status.phase}"];
        mustHave(await place.kubectl(...phases), "Pending");
        const events = ["get", "events", "--field-selector=reason=FailedCreate"];
        mustHave(await place.kubectl(...events), "follower pod node selector not set");
      },
    },
    {
      use: "suspend a set and resume it; refuse another number of Jobs by its webhook",
      async run(place) {
        const suspend = (isWanted: boolean) => {
          const patch = JSON.stringify({ spec: { suspend: isWanted } });
          return place.kubectl("patch", "jobset", "apart", "--type=merge", "-p", patch);
        };
        await suspend(true);
        await place.kubectl("wait", "--for=condition=Suspended", "jobset/apart", TIMEOUT);
        const none = async () => (await namesOf(place, "pods", "apart")).length === 0;
        await waitFor("no pod", none, WITHIN);
        await suspend(false);
        await waitFor("pods", async () => !(await none()), WITHIN);
        const replicas = '[{"op":"replace","path":"/spec/replicatedJobs/0/replicas","value":3}]';
        const patch = ["patch", "jobset", "again", "--type=json", "-p", replicas];
        mustHave(await refusal(place.kubectl(...patch)), "field is immutable");
        await place.kubectl("delete", "jobset", "--all", "--cascade=foreground", TIMEOUT);
      },
    },
  ],
};
