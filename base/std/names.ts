/**
 * The forms of names that every part of Kubernetes shares: each rule gives the complaints about a
 * text, none when it is right. Complaints are upstream's texts, which clients and tests compare.
 */

/** Gives what is wrong with a text; nothing when it is right. */
export type TextRule = (text: string) => string[];

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
export const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const KEY_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${KEY_NAME})?`;

export const LABEL_LENGTH_MAX = 63;
export const SUBDOMAIN_LENGTH_MAX = 253;

const compiled = new Map<string, RegExp>();

/** Whether a pattern matches a whole text. */
export function matches(pattern: string, text: string): boolean {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(`^(?:${pattern})$`);
    compiled.set(pattern, expression);
  }
  return expression.test(text);
}

/** A complaint that shows examples and the expression, as upstream words it. */
export function patternComplaint(rule: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${rule} (regex used for validation is '${pattern}')`;
  const shown = examples.map((each) => `'${each}', `).join(" or ");
  return `${rule} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

/** The complaint about a text beyond its bytes. */
export function tooLong(text: string, limit: number, unit = "characters"): string[] {
  return Buffer.byteLength(text) > limit ? [`must be no more than ${limit} ${unit}`] : [];
}

const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric " +
  "characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric " +
  "characters, '-' or '.', and must start and end with an alphanumeric character";

/** RFC 1123 label: namespaces, containers, volumes. */
export function dnsLabel(text: string): string[] {
  const long = tooLong(text, LABEL_LENGTH_MAX);
  if (matches(LABEL, text)) return long;
  if (matches(SUBDOMAIN, text)) return [...long, "must not contain dots"];
  return [...long, patternComplaint(LABEL_RULE, LABEL, "my-name", "123-abc")];
}

/** RFC 1123 subdomain: the names of most kinds. */
export function dnsSubdomain(text: string): string[] {
  const long = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (matches(SUBDOMAIN, text)) return long;
  return [...long, patternComplaint(SUBDOMAIN_RULE, SUBDOMAIN, "example.com")];
}

/** RFC 1035 label, which starts with a letter: Services. */
export function dns1035Label(text: string): string[] {
  const long = tooLong(text, LABEL_LENGTH_MAX);
  if (matches(LABEL_1035, text)) return long;
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
    "start with an alphabetic character, and end with an alphanumeric character";
  return [...long, patternComplaint(rule, LABEL_1035, "my-name", "abc-123")];
}

function keyNameComplaint(): string {
  const rule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
    "with an alphanumeric character";
  return patternComplaint(rule, KEY_NAME, "MyName", "my.name", "123-abc");
}

/** A name with an optional domain before it: keys of labels, annotations, taints, finalizers. */
export function qualifiedName(text: string): string[] {
  const parts = text.split("/");
  if (parts.length > 2) {
    return [
      `a valid label key ${keyNameComplaint()} with an optional DNS subdomain prefix and '/' ` +
        "(e.g. 'example.com/MyName')",
    ];
  }
  const name = parts[parts.length - 1] ?? "";
  const prefix = parts.length === 2 ? parts[0] : undefined;
  const complaints: string[] = [];
  if (prefix === "") complaints.push("prefix part must be non-empty");
  else if (prefix !== undefined) {
    const long = tooLong(prefix, SUBDOMAIN_LENGTH_MAX, "bytes");
    const wrong = matches(SUBDOMAIN, prefix)
      ? []
      : [patternComplaint(SUBDOMAIN_RULE, SUBDOMAIN, "example.com")];
    complaints.push(...[...long, ...wrong].map((each) => `prefix part ${each}`));
  }
  if (name === "") complaints.push("name part must be non-empty");
  complaints.push(...tooLong(name, LABEL_LENGTH_MAX, "bytes").map((each) => `name part ${each}`));
  if (!matches(KEY_NAME, name)) complaints.push(`name part ${keyNameComplaint()}`);
  return complaints;
}

/** The value of a label. */
export function labelValue(text: string): string[] {
  const long = tooLong(text, LABEL_LENGTH_MAX, "bytes");
  if (matches(LABEL_VALUE, text)) return long;
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, " +
    "'-', '_' or '.', and must start and end with an alphanumeric character";
  return [...long, patternComplaint(rule, LABEL_VALUE, "MyValue", "my_value", "12345")];
}
