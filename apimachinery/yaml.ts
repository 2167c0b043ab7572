import { parse, stringify } from "yaml";

/** An object as YAML, without anchors for what occurs twice in it. */
export function yamlText(object: object): string {
  return stringify(object, { aliasDuplicateObjects: false });
}

/** Parses a YAML or JSON document of the configuration. Throws yaml's own error. */
export function yamlValue(text: string): unknown {
  return parse(text);
}
