import { parse } from "yaml";
import { goTags } from "./go-yaml.ts";

/**
 * Parses YAML as Go's programs do; loaded when there is some. Throws yaml's own error. The last of
 * two equal keys counts: to look for them takes the square of their number.
 */
export const parseYaml = (text: string): unknown =>
  parse(text, { version: "1.1", customTags: goTags, uniqueKeys: false });
