import { parse } from "yaml";

/** Parses what is not JSON; loaded when there is some. Throws yaml's own error. */
export const parseYaml = (text: string): unknown => parse(text);
