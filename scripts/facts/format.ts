import type { PackageFacts, ResourceFact } from "../../api/facts.ts";

/** Facts as JSON with one field or resource to a line: a diff shows what upstream changed. */
export function factsText(facts: PackageFacts): string {
  const { types, ...head } = facts;
  const bodies = Object.entries(types).map(([name, { fields, ...rest }]) => {
    const open = JSON.stringify(rest);
    if (fields === undefined) return `${JSON.stringify(name)}: ${open}`;
    const lines = fields.map((each) => JSON.stringify(each)).join(",\n");
    const before = open === "{}" ? "{" : `${open.slice(0, -1)},`;
    return `${JSON.stringify(name)}: ${before}"fields":[${lines === "" ? "" : `\n${lines}\n`}]}`;
  });
  return `${JSON.stringify(head).slice(0, -1)},"types":{\n${bodies.join(",\n")}\n}}\n`;
}

/** The list of resources, one to a line. */
export function resourcesText(resources: readonly ResourceFact[]): string {
  return `[\n${resources.map((each) => JSON.stringify(each)).join(",\n")}\n]\n`;
}
