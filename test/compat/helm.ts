import { join } from "node:path";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const CHART = join(import.meta.dirname, "testdata/chart");
const IN = ["--namespace", "charts"];
const WAIT = ["--wait", "--timeout", "90s"];

const image = (place: Place, path: string) =>
  place.kubectl("get", "deployment", "shop", ...IN, "-o", `jsonpath={${path}}`);
const banner = (place: Place) =>
  place.kubectl("get", "banner", "shop", ...IN, "-o", "jsonpath={.spec.text}");

/** Helm: the life of a release. */
export const helm: Program = {
  name: "Helm",
  version: "v3.22.0",
  needs: ["helm"],
  uses: [
    {
      use: "install a chart with a definition, an object of it, and a hook",
      async run(place) {
        await place.run("helm", "install", "shop", CHART, "--create-namespace", ...IN, ...WAIT);
        mustHave(await banner(place), "one");
        mustHave(await place.kubectl("logs", "job/shop-before-1", ...IN), "prepared");
      },
    },
    {
      use: "test the release",
      async run(place) {
        mustHave(await place.run("helm", "test", "shop", ...IN, "--timeout", "60s"), "Succeeded");
      },
    },
    {
      use: "upgrade it, by server-side defaults and three-way patches",
      async run(place) {
        const values = ["--set", "replicas=2,message=two"];
        await place.run("helm", "upgrade", "shop", CHART, ...values, ...IN, ...WAIT);
        mustHave(await image(place, ".status.readyReplicas"), "2");
        mustHave(await banner(place), "two");
      },
    },
    {
      use: "refuse values that the definition's schema refuses",
      async run(place) {
        const values = ["--set", `message=${"x".repeat(21)}`];
        const upgrade = place.run("helm", "upgrade", "shop", CHART, ...values, ...IN);
        mustHave(await refusal(upgrade), "Too long");
      },
    },
    {
      use: "roll it back",
      async run(place) {
        await place.run("helm", "rollback", "shop", "1", ...IN, ...WAIT);
        mustHave(await banner(place), "one");
        mustHave(await place.run("helm", "history", "shop", ...IN), "Rollback to 1");
      },
    },
    {
      use: "uninstall it",
      async run(place) {
        await place.run("helm", "uninstall", "shop", ...IN, ...WAIT);
        const kinds = "deployments,services,banners";
        const left = await place.kubectl("get", kinds, ...IN, "-o", "name");
        if (left.trim() !== "") throw new Error(`left: ${left}`);
      },
    },
  ],
};
