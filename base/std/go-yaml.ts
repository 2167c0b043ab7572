import type { ScalarTag, Tags } from "yaml";

/** Go's decoder knows this notation of YAML 1.2 as well. */
export const OCTAL: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0o[0-7]+$/,
  resolve: (text) => Number(text.replace(/^[-+]/, "")) * (text.startsWith("-") ? -1 : 1),
};

/** Types of YAML 1.1 that Go's decoder takes for texts, lists and maps. */
const UNTYPED = /:(timestamp|binary|omap|pairs|set)$/;

/**
 * Returns the tags by which Go's decoder reads plain scalars: those of YAML 1.1 with two
 * exceptions: `12:30` is not the number 750, and a date stays text.
 */
export function goTags(tags: Tags): Tags {
  const known = tags.filter(
    (each) => typeof each === "string" || (each.format !== "TIME" && !UNTYPED.test(each.tag)),
  );
  return [OCTAL, ...known];
}
