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
  MODES,
  readAuthorizationConfig,
} from "@raft2kube/apiserver/authz/config.ts";
import { AUTHORIZATION_TIMEOUT_MS } from "@raft2kube/apiserver/limits.ts";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import type { RemoteAccess } from "@raft2kube/apiserver/webhook/remote.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { type Followed, FollowedFile, fixed } from "@raft2kube/reconcile/followed-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { type FlagsOf, type FlagTable, repeated } from "../flags.ts";
import { CommandError } from "../terminal.ts";
import { duration_ms } from "./flag-duration.ts";

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
  "--authentication-token-webhook-version <version>": ["of its TokenReviews", "v1beta1"],
  "--authentication-token-webhook-cache-ttl <time>": ["how long it is not asked again", "2m0s"],
  "--authorization-config <file>": "the authorizers, YAML; read when it changes",
  "--authorization-mode <modes>": ["the authorizers, comma-separated", "Node,RBAC"],
  "--authorization-webhook-config-file <file>": "kubeconfig of a webhook that authorizes",
  "--authorization-webhook-version <version>": ["of its SubjectAccessReviews", "v1beta1"],
  "--authorization-webhook-cache-authorized-ttl <time>": ["how long it allows", "5m0s"],
  "--authorization-webhook-cache-unauthorized-ttl <time>": ["how long it does not", "30s"],
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof ACCESS_FLAGS>;

/** The options that those flags give, and how to stop looking for changes of their files. */
export interface GivenAccess {
  readonly options: Pick<ApiserverOptions, "authentication" | "authorization">;
  close(): Promise<void>;
}

/** Reads the files of the flags. `own` are the issuers of service account tokens. */
export async function accessOf(
  flags: Flags,
  own: readonly string[],
  clock: Clock,
): Promise<GivenAccess> {
  const files: { close(): Promise<void> }[] = [];
  const follow: Follow = async (what, path, parse) => {
    const read = () => readFile(path, "utf8");
    const file = await FollowedFile.follow({ clock, log, what, read, parse });
    files.push(file);
    return file;
  };
  const close = async () => {
    for (const file of files) await file.close();
  };
  try {
    return { options: await optionsOf(flags, own, follow), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

type Follow = <T>(
  what: string,
  path: string,
  parse: (text: string) => Promise<T>,
) => Promise<Followed<T>>;

async function optionsOf(
  flags: Flags,
  own: readonly string[],
  follow: Follow,
): Promise<GivenAccess["options"]> {
  const { authenticationConfig, authorizationConfig } = flags;
  const authentication = await authenticationOf(
    flags,
    authenticationConfig === undefined
      ? undefined
      : await follow("the authentication configuration", authenticationConfig, (text) =>
          readAuthenticationConfig(text, own),
        ),
  );
  const authorization: Followed<AuthorizationConfig> =
    authorizationConfig === undefined
      ? fixed(await modesOf(flags))
      : await follow("the authorization configuration", authorizationConfig, (text) =>
          readAuthorizationConfig(text, accessIn),
        );
  return { authentication, authorization };
}

async function authenticationOf(
  flags: Flags,
  config: AuthenticationOptions["config"],
): Promise<AuthenticationOptions> {
  const { oidcIssuerUrl, anonymousAuth, tokenAuthFile } = flags;
  if (config !== undefined) {
    if (oidcIssuerUrl !== undefined) refuse("--authentication-config", "--oidc-issuer-url");
    if (anonymousAuth !== undefined && config.current.anonymous !== undefined) {
      refuse("the field anonymous of --authentication-config", "--anonymous-auth");
    }
  }
  const issuers = oidcIssuerUrl === undefined ? undefined : [oidcIssuer(flags, oidcIssuerUrl)];
  const webhook = flags.authenticationTokenWebhookConfigFile;
  return given({
    config: config ?? (issuers && fixed({ issuers })),
    anonymous: anonymousAuth === undefined ? undefined : anonymousAuth === "true",
    tokenFile: tokenAuthFile === undefined ? undefined : readFileSync(tokenAuthFile, "utf8"),
    webhook:
      webhook === undefined
        ? undefined
        : {
            access: await accessIn(webhook),
            version: version("token", flags.authenticationTokenWebhookVersion),
            cache_ms: duration_ms(
              "authentication-token-webhook-cache-ttl",
              flags.authenticationTokenWebhookCacheTtl,
            ),
          },
  });
}

function oidcIssuer(flags: Flags, url: string): JwtIssuer {
  const { oidcClientId, oidcUsernameClaim, oidcUsernamePrefix, oidcGroupsClaim } = flags;
  if (oidcClientId === undefined) {
    throw new CommandError("FLAG", "--oidc-issuer-url needs --oidc-client-id");
  }
  const algorithms = flags.oidcSigningAlgs.split(",");
  const strange = algorithms.find((each) => !ALGORITHMS.includes(each));
  if (strange !== undefined) {
    const known = ALGORITHMS.join(", ");
    throw new CommandError("FLAG", `--oidc-signing-algs: ${strange} is not one of ${known}`);
  }
  const usual = oidcUsernameClaim === "email" ? "" : `${url}#`;
  const prefix = oidcUsernamePrefix === "-" ? "" : (oidcUsernamePrefix ?? usual);
  const requiredClaims = flags.oidcRequiredClaim
    .flatMap((each) => each.split(","))
    .map((each) => {
      const [, claim, value] = /^([^=]+)=(.*)$/.exec(each) ?? [];
      if (claim !== undefined && value !== undefined) return { claim, value };
      throw new CommandError("FLAG", `--oidc-required-claim: not claim=value: ${each}`);
    });
  return {
    url: checkedUrl("--oidc-issuer-url", url),
    audiences: [oidcClientId],
    algorithms,
    requiredClaims,
    claimRules: [],
    userRules: [],
    extra: [],
    username: { claim: oidcUsernameClaim, prefix },
    ...(oidcGroupsClaim
      ? { groups: { claim: oidcGroupsClaim, prefix: flags.oidcGroupsPrefix ?? "" } }
      : {}),
    ...(flags.oidcCaFile ? { ca: readFileSync(flags.oidcCaFile, "utf8") } : {}),
  };
}

async function modesOf(flags: Flags): Promise<AuthorizationConfig> {
  const file = flags.authorizationWebhookConfigFile;
  const names = flags.authorizationMode.split(",");
  const authorizers: AuthorizationConfig["authorizers"][number][] = [];
  for (const mode of names) {
    const type = MODES.find((each) => each === mode);
    if (type === undefined) {
      const known = MODES.join(", ");
      throw new CommandError("FLAG", `--authorization-mode: ${mode} is not one of ${known}`);
    }
    if (authorizers.some((each) => each.type === type)) refuse(`two modes ${mode}`, "each other");
    const name = type.toLowerCase();
    if (type !== "Webhook") authorizers.push({ type, name });
    else authorizers.push({ type, name, webhook: await webhookOf(flags, file) });
  }
  if (file !== undefined && !names.includes("Webhook")) {
    const what = "--authorization-webhook-config-file is for the mode Webhook";
    throw new CommandError("FLAG", what);
  }
  return { authorizers };
}

async function webhookOf(flags: Flags, file: string | undefined): Promise<AuthorizationWebhook> {
  if (file === undefined) {
    const what = "the mode Webhook needs --authorization-webhook-config-file";
    throw new CommandError("FLAG", what);
  }
  const ttl = "authorization-webhook-cache";
  return {
    access: await accessIn(file),
    version: version("authorization", flags.authorizationWebhookVersion),
    timeout_ms: AUTHORIZATION_TIMEOUT_MS,
    onFailure: "NoOpinion",
    conditions: [],
    authorized_ms: duration_ms(
      `${ttl}-authorized-ttl`,
      flags.authorizationWebhookCacheAuthorizedTtl,
    ),
    unauthorized_ms: duration_ms(
      `${ttl}-unauthorized-ttl`,
      flags.authorizationWebhookCacheUnauthorizedTtl,
    ),
  };
}

/** Reads how a kubeconfig reaches its server. */
export async function accessIn(file: string): Promise<RemoteAccess> {
  const { server: url, ca, cert, key, token, tokenFile } = await readKubeconfig(file);
  checkedUrl(`the server of ${file}`, url);
  const client = cert === undefined || key === undefined ? undefined : { cert, key };
  return given({ url, ca, client, token, tokenFile }) as RemoteAccess;
}

function checkedUrl(what: string, url: string): string {
  return httpsUrl(url, (problem) => {
    throw new CommandError("FLAG", `${what}: ${problem}`);
  });
}

function version(what: string, text: string): "v1" | "v1beta1" {
  if (text === "v1" || text === "v1beta1") return text;
  const why = `the version of the ${what} webhook is v1 or v1beta1, not ${text}`;
  throw new CommandError("FLAG", why);
}

function refuse(one: string, other: string): never {
  throw new CommandError("FLAG", `${one} and ${other} are not given together`);
}
