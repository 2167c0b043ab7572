import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import {
  ALGORITHMS,
  httpsUrl,
  type JwtIssuer,
  readAuthenticationConfig,
} from "@raft2kube/apiserver/authn/jwt/config.ts";
import type { AuthenticationOptions } from "@raft2kube/apiserver/authn/options.ts";
import {
  type AuthorizationConfig,
  type AuthorizationWebhook,
  type AuthorizerConfig,
  MODES,
  readAuthorizationConfig,
} from "@raft2kube/apiserver/authz/config.ts";
import { REVIEW_TIMEOUT_MS } from "@raft2kube/apiserver/limits.ts";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import type { RemoteAccess } from "@raft2kube/apiserver/webhook/remote.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { type Followed, FollowedFile, fixed } from "@raft2kube/reconcile/followed-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { type FlagsOf, type FlagTable, only, repeated } from "../flags.ts";
import { CommandError } from "../terminal.ts";
import { duration_ms, flagOf, type TextFlags } from "./flag-duration.ts";

const log = logger("apiserver");

/** kube-apiserver's flags for who may come in, and what they may do. */
export const ACCESS_FLAGS = {
  "--anonymous-auth <bool>": {
    text: "serve requests without credentials",
    choices: ["true", "false"],
  },
  "--authentication-config <file>": "issuers of tokens, YAML; read when it changes",
  "--oidc-issuer-url <url>": "an issuer whose ID tokens are accepted",
  "--oidc-client-id <name>": "the audience of its tokens",
  "--oidc-username-claim <claim>": ["the claim that is the user's name", "sub"],
  "--oidc-username-prefix <text>": "put before it; - for none (default URL# for other than email)",
  "--oidc-groups-claim <claim>": "the claim with the user's groups",
  "--oidc-groups-prefix <text>": "put before each group",
  "--oidc-signing-algs <names>": ["what tokens may be signed with", "RS256"],
  "--oidc-required-claim <claim=value,...>": repeated("a claim that tokens must have"),
  "--oidc-ca-file <file>": "CAs of the issuer, PEM (default the host's)",
  "--token-auth-file <file>": "static tokens: CSV of token, name, uid, groups",
  "--authentication-token-webhook-config-file <file>": "kubeconfig of a webhook that authenticates",
  "--authentication-token-webhook-version <version>": only("of its reviews", "v1beta1", "v1"),
  "--authentication-token-webhook-cache-ttl <time>": ["how long it is not asked again", "2m0s"],
  "--authorization-config <file>": "the authorizers, YAML; read when it changes",
  "--authorization-mode <modes>": ["the authorizers, comma-separated", "Node,RBAC"],
  "--authorization-webhook-config-file <file>": "kubeconfig of a webhook that authorizes",
  "--authorization-webhook-version <version>": only("of its reviews", "v1beta1", "v1"),
  "--authorization-webhook-cache-authorized-ttl <time>": ["how long it allows", "5m0s"],
  "--authorization-webhook-cache-unauthorized-ttl <time>": ["how long it does not", "30s"],
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof ACCESS_FLAGS>;

/** The options that those flags give, and how to stop looking for changes of their files. */
export interface GivenAccess {
  readonly options: Pick<ApiserverOptions, "authentication" | "authorization">;
  close(): Promise<void>;
}

/** Follows a file of the configuration. */
type Follow = <T>(
  what: string,
  path: string,
  parse: (text: string) => Promise<T>,
) => Promise<Followed<T>>;

/** Reads the files of the flags. `own` are the issuers of service account tokens. */
export async function accessOf(
  flags: Flags,
  own: readonly string[],
  clock: Clock,
): Promise<GivenAccess> {
  await using files = new AsyncDisposableStack();
  const follow: Follow = async (what, path, parse) => {
    const read = () => readFile(path, "utf8");
    const file = await FollowedFile.follow({ clock, log, what, read, parse });
    return files.adopt(file, () => file.close());
  };
  const authentication = await authenticationOf(flags, own, follow);
  const authorization = await authorizationOf(flags, follow);
  const kept = files.move();
  return { options: { authentication, authorization }, close: () => kept.disposeAsync() };
}

async function authenticationOf(
  flags: Flags,
  own: readonly string[],
  follow: Follow,
): Promise<AuthenticationOptions> {
  const { anonymousAuth, tokenAuthFile, authenticationTokenWebhookConfigFile: file } = flags;
  const config = await issuersOf(flags, own, follow);
  if (anonymousAuth !== undefined && config?.current.anonymous !== undefined) {
    refuseBoth("the field anonymous of --authentication-config", "--anonymous-auth");
  }
  const webhook = file !== undefined && {
    access: await accessIn(file),
    version: flags.authenticationTokenWebhookVersion,
    cache_ms: duration_ms(flags, "authenticationTokenWebhookCacheTtl"),
  };
  return given({
    config,
    anonymous: anonymousAuth && anonymousAuth === "true",
    tokenFile: tokenAuthFile && readFileSync(tokenAuthFile, "utf8"),
    webhook: webhook || undefined,
  });
}

async function issuersOf(
  flags: Flags,
  own: readonly string[],
  follow: Follow,
): Promise<AuthenticationOptions["config"]> {
  const { authenticationConfig: file, oidcIssuerUrl: url } = flags;
  if (file === undefined) return url ? fixed({ issuers: [oidcIssuer(flags, url)] }) : undefined;
  if (url !== undefined) refuseBoth("--authentication-config", "--oidc-issuer-url");
  const parse = (text: string) => readAuthenticationConfig(text, own);
  return await follow("the authentication configuration", file, parse);
}

function oidcIssuer(flags: Flags, url: string): JwtIssuer {
  const { oidcClientId, oidcUsernameClaim, oidcUsernamePrefix, oidcGroupsClaim: claim } = flags;
  const usual = oidcUsernameClaim === "email" ? "" : `${url}#`;
  const prefix = oidcUsernamePrefix === "-" ? "" : (oidcUsernamePrefix ?? usual);
  return given({
    url: checkedUrl("--oidc-issuer-url", url),
    certificateAuthority: flags.oidcCaFile && readFileSync(flags.oidcCaFile, "utf8"),
    audiences: [oidcClientId ?? refuse("--oidc-issuer-url needs --oidc-client-id")],
    algorithms: wordsOf(flags, "oidcSigningAlgs", ALGORITHMS),
    requiredClaims: flags.oidcRequiredClaim.flatMap((each) => each.split(",")).map(claimIn),
    claimRules: [],
    userRules: [],
    extra: [],
    username: { claim: oidcUsernameClaim, prefix },
    groups: claim ? { claim, prefix: flags.oidcGroupsPrefix ?? "" } : undefined,
  });
}

function claimIn(text: string): JwtIssuer["requiredClaims"][number] {
  const [, claim, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (claim !== undefined && value !== undefined) return { claim, value };
  return refuse(`--oidc-required-claim: not claim=value: ${text}`);
}

async function authorizationOf(
  flags: Flags,
  follow: Follow,
): Promise<Followed<AuthorizationConfig>> {
  const { authorizationConfig, authorizationWebhookConfigFile: file } = flags;
  if (authorizationConfig !== undefined) {
    const parse = (text: string) => readAuthorizationConfig(text, accessIn);
    return await follow("the authorization configuration", authorizationConfig, parse);
  }
  const types = wordsOf(flags, "authorizationMode", MODES);
  const twice = types.find((type, i) => types.indexOf(type) < i);
  if (twice !== undefined) refuseBoth(`two modes ${twice}`, "each other");
  if (file !== undefined && !types.includes("Webhook")) {
    refuse("--authorization-webhook-config-file is for the mode Webhook");
  }
  const authorizers = types.map(async (type): Promise<AuthorizerConfig> => {
    const name = type.toLowerCase();
    return type === "Webhook" ? { type, name, webhook: await webhookOf(flags) } : { type, name };
  });
  return fixed({ authorizers: await Promise.all(authorizers) });
}

async function webhookOf(flags: Flags): Promise<AuthorizationWebhook> {
  const file = flags.authorizationWebhookConfigFile;
  return {
    access: await accessIn(
      file ?? refuse("the mode Webhook needs --authorization-webhook-config-file"),
    ),
    version: flags.authorizationWebhookVersion,
    timeout_ms: REVIEW_TIMEOUT_MS,
    onFailure: "NoOpinion",
    conditions: [],
    authorized_ms: duration_ms(flags, "authorizationWebhookCacheAuthorizedTtl"),
    unauthorized_ms: duration_ms(flags, "authorizationWebhookCacheUnauthorizedTtl"),
  };
}

/** Reads how a kubeconfig reaches its server. */
export async function accessIn(file: string): Promise<RemoteAccess> {
  const { server: url, ca, cert, key, token, tokenFile } = await readKubeconfig(file);
  checkedUrl(`the server of ${file}`, url);
  const client = cert === undefined || key === undefined ? undefined : { cert, key };
  return given({ url, ca, client, token, tokenFile }) as RemoteAccess;
}

const checkedUrl = (what: string, url: string): string =>
  httpsUrl(url, (problem) => refuse(`${what}: ${problem}`));

/** The words of a flag, each of which is one of some. */
function wordsOf<Name extends string, T extends string>(
  flags: TextFlags<Name>,
  name: Name,
  known: readonly T[],
): T[] {
  const all = known.join(", ");
  return flags[name].split(",").map((word) => {
    const found = known.find((each) => each === word);
    return found ?? refuse(`${flagOf(name)}: ${word} is not one of ${all}`);
  });
}

const refuseBoth = (one: string, other: string): never =>
  refuse(`${one} and ${other} are not given together`);

function refuse(what: string): never {
  throw new CommandError("FLAG", what);
}
