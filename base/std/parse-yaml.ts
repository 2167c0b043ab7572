import { parse } from "yaml";
import { goTags } from "./go-yaml.ts";

/** Parses YAML as Go's programs do; loaded when there is some. Throws yaml's own error. */
export const parseYaml = (text: string): unknown =>
  parse(text, { version: "1.1", customTags: goTags });
