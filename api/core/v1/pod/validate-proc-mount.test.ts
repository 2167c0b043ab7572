import { expect, it } from "vitest";
import { messageOfField } from "../../../errors.ts";
import type { PodSpec } from "../../../gen/core/v1.ts";
import { validatePodSpec } from "./validate-spec.ts";

/** The errors about procMount of a pod whose container and init container have this one. */
function complaints(procMount: string, hostUsers?: boolean): string[] {
  const one = (name: string) => ({ name, image: "web:1", securityContext: { procMount } });
  const spec = {
    restartPolicy: "Always",
    dnsPolicy: "Default",
    containers: [one("a")],
    initContainers: [one("b")],
    ...(hostUsers !== undefined && { hostUsers }),
  };
  return validatePodSpec(spec as unknown as PodSpec, "spec", "")
    .map(messageOfField)
    .filter((each) => each.includes("procMount"));
}

it("the whole of /proc is refused to pods with the node's users", () => {
  const why = 'procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`';
  const refused = ["initContainers", "containers"].map((list) => {
    return `spec.${list}[0].securityContext.${why}`;
  });
  expect(complaints("Unmasked")).toEqual(refused);
  expect(complaints("Unmasked", true)).toEqual(refused);
  expect(complaints("Unmasked", false)).toEqual([]);
});

it("other values are refused to all", () => {
  const why = 'Unsupported value: "unmasked": supported values: "Default", "Unmasked"';
  expect(complaints("unmasked", false)).toEqual([
    `spec.initContainers[0].securityContext.procMount: ${why}`,
    `spec.containers[0].securityContext.procMount: ${why}`,
  ]);
  expect(complaints("Default")).toEqual([]);
});
