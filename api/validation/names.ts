/**
 * The forms of names: each check gives the complaints about a text, none when it is right. The
 * complaints are upstream's texts, which clients and tests compare.
 */

/** Gives what is wrong with a text; nothing when it is right. */
export type TextRule = (text: string) => string[];

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const KEY_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${KEY_NAME})?`;
const WILDCARD = `\\*\\.${SUBDOMAIN}`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";

export const LABEL_LENGTH_MAX = 63;
export const SUBDOMAIN_LENGTH_MAX = 253;
const PORT_NAME_LENGTH_MAX = 15;

const compiled = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
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

function tooLong(text: string, limit: number, unit = "characters"): string[] {
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

/** A domain that a resolver searches in, where underscores are usual. */
export function searchDomain(text: string): string[] {
  const label = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
  const pattern = `${label}(\\.${label})*`;
  const long = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (matches(pattern, text)) return long;
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric " +
    "characters, '_', '-' or '.', and must start and end with an alphanumeric character";
  return [...long, patternComplaint(rule, pattern, "example.com")];
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

/** A host of an Ingress rule such as `*.example.com`. */
export function wildcardSubdomain(text: string): string[] {
  const long = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (matches(WILDCARD, text)) return long;
  const rule =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS " +
    "subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end " +
    "with an alphanumeric character";
  return [...long, patternComplaint(rule, WILDCARD, "*.example.com")];
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

/** The name of a container's port or a Service's target. */
export function portName(text: string): string[] {
  const complaints = tooLong(text, PORT_NAME_LENGTH_MAX);
  if (!/^[-a-z0-9]+$/.test(text)) {
    complaints.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(text)) complaints.push("must contain at least one letter (a-z)");
  if (text.includes("--")) complaints.push("must not contain consecutive hyphens");
  if (/^-|-$/.test(text)) complaints.push("must not begin or end with a hyphen");
  return complaints;
}

/** A key of a ConfigMap or Secret, which becomes a file name. */
export function configKey(text: string): string[] {
  const complaints = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (!matches(CONFIG_KEY, text)) {
    const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    complaints.push(patternComplaint(rule, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"));
  }
  return [...complaints, ...upwardPath(text)];
}

function upwardPath(text: string): string[] {
  if (text === ".") return ["must not be '.'"];
  if (text === "..") return ["must not be '..'"];
  return text.startsWith("..") ? ["must not start with '..'"] : [];
}

/** The name of an environment variable: printable ASCII without `=`. */
export function envVarName(text: string): string[] {
  const complaints = text === "" ? ["environment variable name must be non-empty"] : [];
  if (!/^[\x20-\x3c\x3e-\x7e]*$/.test(text)) {
    complaints.push(
      "a valid environment variable name must consist only of printable ASCII " +
        "characters other than '='",
    );
  }
  return complaints;
}

export function httpHeaderName(text: string): string[] {
  if (/^[-A-Za-z0-9]+$/.test(text)) return [];
  const rule = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [patternComplaint(rule, "[-A-Za-z0-9]+", "X-Header-Name")];
}

/** A name that becomes one segment of a URL's path: Roles and their bindings. */
export function pathSegment(text: string): string[] {
  if (text === "." || text === "..") return [`may not be '${text}'`];
  return ["/", "%"]
    .filter((each) => text.includes(each))
    .map((each) => `may not contain '${each}'`);
}

/** A port's number. */
export function portNumber(port: number): string[] {
  return inRange(port, 1, 65535);
}

export function inRange(value: number, low: number, high: number): string[] {
  if (Number.isInteger(value) && value >= low && value <= high) return [];
  return [`must be between ${low} and ${high}, inclusive`];
}

/** A share such as `25%`. */
export function percent(text: string): string[] {
  if (/^[0-9]+%$/.test(text)) return [];
  const rule = "a valid percent string must be a numeric string followed by an ending '%'";
  return [patternComplaint(rule, "[0-9]+%", "1%", "93%")];
}

/** A path with a domain before it, such as `example.com/controller`. */
export function domainPath(text: string): string[] {
  const slash = text.indexOf("/");
  const [domain, rest] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash <= 0 || rest === "") {
    return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  }
  const wrong = dnsSubdomain(domain);
  if (/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest)) return wrong;
  return [...wrong, "Invalid path"];
}
