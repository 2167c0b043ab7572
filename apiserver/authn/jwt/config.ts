import { X509Certificate } from "node:crypto";
import { type Fields, ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import { domainPath } from "@raft2kube/api/validation/names.ts";
import { ISSUERS_MAX } from "../../limits.ts";
import {
  claimsExpression, type JwtExpression, readsClaim, userExpression, type Wanted,
} from "./expressions.ts";

/** A value of the user: a claim with a prefix, or an expression's result. */
export type Mapping =
  | { readonly claim: string; readonly prefix: string }
  | { readonly expression: JwtExpression };

/** A rule that holds when its expression does. */
export interface JwtRule {
  readonly expression: JwtExpression;
  readonly message: string;
}

/** One issuer whose tokens are accepted, and the users that they stand for. */
export interface JwtIssuer {
  readonly url: string;
  readonly discoveryUrl?: string;
  /** PEM; default the roots of the host. */
  readonly ca?: string;
  /** A token is for one of these. */
  readonly audiences: readonly string[];
  /** Signature algorithms; default all asymmetric ones. */
  readonly algorithms: readonly string[];
  readonly requiredClaims: readonly { readonly claim: string; readonly value: string }[];
  readonly claimRules: readonly JwtRule[];
  readonly userRules: readonly JwtRule[];
  readonly username: Mapping;
  readonly groups?: Mapping;
  readonly uid?: Mapping;
  readonly extra: readonly { readonly key: string; readonly expression: JwtExpression }[];
}

/** Whether, and where, a request without credentials is anonymous. */
export interface AnonymousAccess {
  readonly enabled: boolean;
  /** The paths that it is limited to; undefined: all. */
  readonly paths?: readonly string[];
}

/** The content of an AuthenticationConfiguration. */
export interface AuthenticationConfig {
  readonly issuers: readonly JwtIssuer[];
  readonly anonymous?: AnonymousAccess;
}

/** Signature algorithms of tokens of issuers (upstream's allowlist): none is symmetric. */
export const ALGORITHMS: readonly string[] = [
  "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

const read: ConfigFields = new ConfigFields("AuthenticationConfiguration");
const GROUP = "apiserver.config.k8s.io";
const VERSIONS = ["v1", "v1beta1", "v1alpha1"].map((version) => `${GROUP}/${version}`);

/**
 * Reads an AuthenticationConfiguration in YAML or JSON. `own` are this server's issuers, whose
 * tokens are not for others to verify. Throws ConfigFileError.
 */
export async function readAuthenticationConfig(
  text: string, own: readonly string[] = [],
): Promise<AuthenticationConfig> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const config = read.whole(yamlValue(text), VERSIONS, ["jwt", "anonymous"]);
  const issuers = items("jwt", config["jwt"]).map((each, i) => issuerOf(`jwt[${i}]`, each));
  if (issuers.length > ISSUERS_MAX) read.refuse("jwt", `must have at most ${ISSUERS_MAX} items`);
  issuers.forEach(({ url }, i) => {
    if (own.includes(url)) read.refuse(`jwt[${i}].issuer.url`, "is this server's own issuer");
  });
  unique("jwt", "issuer.url", issuers.map(({ url }) => url));
  unique("jwt", "issuer.discoveryURL", issuers.flatMap(({ discoveryUrl }) => discoveryUrl ?? []));
  const anonymous = config["anonymous"];
  return { issuers, ...(anonymous === undefined ? {} : { anonymous: anonymousOf(anonymous) }) };
}

function anonymousOf(value: unknown): AnonymousAccess {
  const anonymous = read.object("anonymous", value);
  read.onlyKnown("anonymous", anonymous, ["enabled", "conditions"]);
  const { enabled = false } = anonymous;
  if (typeof enabled !== "boolean") read.refuse("anonymous.enabled", "must be true or false");
  const paths = items("anonymous.conditions", anonymous["conditions"]).map((each, i) => {
    const at = `anonymous.conditions[${i}]`;
    const condition = read.object(at, each);
    read.onlyKnown(at, condition, ["path"]);
    return read.text(`${at}.path`, condition["path"]);
  });
  if (!enabled && paths.length > 0) {
    read.refuse("anonymous.conditions", "enabled must be true when conditions are defined");
  }
  return { enabled, ...(paths.length === 0 ? {} : { paths }) };
}

function issuerOf(at: string, value: unknown): JwtIssuer {
  const jwt = read.object(at, value);
  read.onlyKnown(at, jwt,
    ["issuer", "claimValidationRules", "claimMappings", "userValidationRules"]);
  const rules = claimRulesOf(`${at}.claimValidationRules`, jwt["claimValidationRules"]);
  const mappings = mappingsOf(`${at}.claimMappings`, jwt["claimMappings"]);
  checkEmail(at, rules.claimRules, mappings);
  return {
    ...remoteOf(`${at}.issuer`, jwt["issuer"]), algorithms: ALGORITHMS, ...rules, ...mappings,
    userRules: userRulesOf(`${at}.userValidationRules`, jwt["userValidationRules"]),
  };
}

function remoteOf(at: string, value: unknown) {
  const issuer = read.object(at, value);
  read.onlyKnown(at, issuer, ["url", "discoveryURL", "certificateAuthority", "audiences",
    "audienceMatchPolicy", "egressSelectorType"]);
  if (given(issuer["egressSelectorType"])) {
    read.refuse(`${at}.egressSelectorType`, "this server has no egress selector");
  }
  const url = httpsUrl(`${at}.url`, issuer["url"]);
  const found = issuer["discoveryURL"];
  const discoveryUrl = given(found) ? httpsUrl(`${at}.discoveryURL`, found) : undefined;
  if (discoveryUrl !== undefined && bare(discoveryUrl) === bare(url)) {
    read.refuse(`${at}.discoveryURL`, "must be different from url");
  }
  const audiences = read.list(`${at}.audiences`, issuer["audiences"])
    .map((each, i) => read.text(`${at}.audiences[${i}]`, each));
  unique(`${at}.audiences`, "", audiences);
  const policy = issuer["audienceMatchPolicy"] ?? "";
  if (policy !== "MatchAny" && (policy !== "" || audiences.length > 1)) {
    read.refuse(`${at}.audienceMatchPolicy`, "must be MatchAny");
  }
  const ca = issuer["certificateAuthority"];
  return {
    url, audiences, ...(discoveryUrl === undefined ? {} : { discoveryUrl }),
    ...(given(ca) ? { ca: certificates(`${at}.certificateAuthority`, ca) } : {}),
  };
}

const bare = (url: string): string => url.replace(/\/+$/, "");

/** An https URL without credentials, query and fragment. */
export function httpsUrl(at: string, value: unknown): string {
  const text = read.text(at, value);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:") return read.refuse(at, "must be an https URL");
  if (url.username !== "" || url.password !== "" || /[?#]/.test(text)) {
    read.refuse(at, "must not have a user name, a password, a query or a fragment");
  }
  return text;
}

function certificates(at: string, value: unknown): string {
  const pem = read.text(at, value);
  try {
    new X509Certificate(pem);
    return pem;
  } catch (thrown) {
    return read.refuse(at, `has no certificate in PEM (${String(thrown)})`);
  }
}

function claimRulesOf(at: string, value: unknown) {
  const requiredClaims: { claim: string; value: string }[] = [];
  const claimRules: JwtRule[] = [];
  items(at, value).forEach((each, i) => {
    const here = `${at}[${i}]`;
    const rule = read.object(here, each);
    read.onlyKnown(here, rule, ["claim", "requiredValue", "expression", "message"]);
    const { claim, expression, requiredValue = "", message = "" } = rule;
    if (given(claim) === given(expression)) {
      read.refuse(here, "must have one of claim and expression");
    }
    if (typeof requiredValue !== "string" || typeof message !== "string") {
      return read.refuse(here, "requiredValue and message must be texts");
    }
    if (given(claim)) {
      if (message !== "") read.refuse(`${here}.message`, "may not be specified with claim");
      return void requiredClaims.push({
        claim: read.text(`${here}.claim`, claim), value: requiredValue,
      });
    }
    if (requiredValue !== "") read.refuse(`${here}.requiredValue`, "is for a claim");
    const compiled = expressionAt(`${here}.expression`, expression, "bool");
    claimRules.push({ message, expression: compiled });
  });
  unique(at, "claim", requiredClaims.map(({ claim }) => claim));
  unique(at, "expression", claimRules.map(({ expression }) => expression.text));
  return { requiredClaims, claimRules };
}

function userRulesOf(at: string, value: unknown): JwtRule[] {
  const rules = items(at, value).map((each, i) => {
    const here = `${at}[${i}]`;
    const rule = read.object(here, each);
    read.onlyKnown(here, rule, ["expression", "message"]);
    const { message = "" } = rule;
    const text = read.text(`${here}.expression`, rule["expression"]);
    const refuse = (why: string) => read.refuse(`${here}.expression`, why);
    return { message: String(message), expression: userExpression(text, refuse) };
  });
  unique(at, "expression", rules.map(({ expression }) => expression.text));
  return rules;
}

function mappingsOf(at: string, value: unknown) {
  const mappings = read.object(at, value);
  read.onlyKnown(at, mappings, ["username", "groups", "uid", "extra"]);
  const username = mappingOf(`${at}.username`, mappings["username"], "text", true);
  if (username === undefined) {
    return read.refuse(`${at}.username`, "claim or expression is required");
  }
  const groups = mappingOf(`${at}.groups`, mappings["groups"], "texts", true);
  const uid = mappingOf(`${at}.uid`, mappings["uid"], "text", false);
  const extra = items(`${at}.extra`, mappings["extra"])
    .map((each, i) => extraOf(`${at}.extra[${i}]`, each));
  unique(`${at}.extra`, "key", extra.map(({ key }) => key));
  return { username, ...(groups && { groups }), ...(uid && { uid }), extra };
}

function mappingOf(
  at: string, value: unknown, wanted: Wanted, prefixed: boolean,
): Mapping | undefined {
  if (value === undefined || value === null) return undefined;
  const mapping: Fields = read.object(at, value);
  read.onlyKnown(at, mapping, ["claim", "expression", ...(prefixed ? ["prefix"] : [])]);
  const { claim, expression, prefix } = mapping;
  if (given(claim) && given(expression)) read.refuse(at, "claim and expression can't both be set");
  if (given(expression)) {
    if (prefix !== undefined) read.refuse(`${at}.prefix`, "may not be specified with expression");
    return { expression: expressionAt(`${at}.expression`, expression, wanted) };
  }
  if (!given(claim)) return undefined;
  if (prefixed && typeof prefix !== "string") {
    read.refuse(`${at}.prefix`, "is required when claim is set; an empty text is no prefix");
  }
  return { claim: read.text(`${at}.claim`, claim), prefix: String(prefix ?? "") };
}

function extraOf(at: string, value: unknown): JwtIssuer["extra"][number] {
  const extra = read.object(at, value);
  read.onlyKnown(at, extra, ["key", "valueExpression"]);
  const key = read.text(`${at}.key`, extra["key"]);
  const [wrong] = domainPath(key);
  if (wrong !== undefined) read.refuse(`${at}.key`, wrong);
  if (key !== key.toLowerCase()) read.refuse(`${at}.key`, "must be lowercase");
  if (/(^|\.)(k8s|kubernetes)\.io\//.test(key)) {
    read.refuse(`${at}.key`, "k8s.io, kubernetes.io and their subdomains are reserved");
  }
  const expression = expressionAt(`${at}.valueExpression`, extra["valueExpression"], "texts");
  return { key, expression };
}

function expressionAt(at: string, value: unknown, wanted: Wanted): JwtExpression {
  return claimsExpression(read.text(at, value), wanted, (why) => read.refuse(at, why));
}

/** An email names a user only if the issuer says that it is verified (upstream's rule). */
function checkEmail(
  at: string, rules: readonly JwtRule[], { username, extra }: Pick<JwtIssuer, "username" | "extra">,
): void {
  if (!("expression" in username) || !readsClaim(username.expression, "email")) return;
  const others = [username, ...extra, ...rules];
  if (others.some(({ expression }) => readsClaim(expression, "email_verified"))) return;
  read.refuse(`${at}.claimMappings.username.expression`,
    "claims.email_verified must be used here, in claimMappings.extra[*].valueExpression or in " +
    "claimValidationRules[*].expression when claims.email is");
}

const given = (value: unknown): boolean => value !== undefined && value !== null && value !== "";

/** A list that may be missing. */
const items = (at: string, value: unknown): unknown[] => (given(value) ? read.list(at, value) : []);

function unique(at: string, field: string, values: readonly string[]): void {
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice === undefined) return;
  read.refuse(at, `two items have the ${field || "value"} ${JSON.stringify(twice)}`);
}
