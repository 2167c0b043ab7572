/** The rules of Windows' security settings, which no node of ours runs but templates may have. */
import { type FieldError, invalid } from "../../../errors.ts";
import type {
  PodSpec,
  SecurityContext,
  WindowsSecurityContextOptions,
} from "../../../gen/core/v1.ts";
import { invalidBy } from "../../../validation/checks.ts";
import { dnsSubdomain } from "../../../validation/names.ts";

const CREDENTIAL_SPEC_KIB_MAX = 64;
const DOMAIN_MAX = 256;
const USER_MAX = 104;
const NET_BIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
/** DNS labels with a dot at least, of any case. */
const DOMAIN =
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+$/;

/** Validates the settings of a pod or container at `path`. */
export function validateWindows(
  options: WindowsSecurityContextOptions | undefined,
  path: string,
): FieldError[] {
  if (options === undefined) return [];
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: spec, runAsUserName: user } = options;
  const errors: FieldError[] = [];
  if (name !== undefined) {
    errors.push(...invalidBy(dnsSubdomain, `${path}.gmsaCredentialSpecName`, name));
  }
  const at = `${path}.gmsaCredentialSpec`;
  if (spec === "") errors.push(invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"));
  else if (Buffer.byteLength(spec ?? "") > CREDENTIAL_SPEC_KIB_MAX * 1024) {
    const detail = `gmsaCredentialSpec size must be under ${CREDENTIAL_SPEC_KIB_MAX} KiB`;
    errors.push(invalid(at, spec, detail));
  }
  if (user === undefined) return errors;
  const wrong = userProblems(user);
  return [
    ...errors,
    ...wrong.map((each) => invalid(`${path}.runAsUserName`, user, `runAsUserName${each}`)),
  ];
}

/** Returns what is wrong with `USER` or `DOMAIN\USER`, as the ends of sentences. */
function userProblems(text: string): string[] {
  if (text === "") return [" cannot be an empty string"];
  if (/\p{Cc}/u.test(text)) return [" cannot contain control characters"];
  const parts = text.split("\\");
  if (parts.length > 2) return [" cannot contain more than one backslash"];
  const user = parts.at(-1)!;
  const domain = parts.length === 2 ? parts[0]! : undefined;
  const wrong: string[] = [];
  if (domain !== undefined && domain.length >= DOMAIN_MAX) {
    wrong.push(`'s Domain length must be under ${DOMAIN_MAX} characters`);
  }
  if (domain !== undefined && !NET_BIOS.test(domain) && !DOMAIN.test(domain)) {
    wrong.push("'s Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === "") wrong.push("'s User cannot be empty");
  if (user.length > USER_MAX) {
    wrong.push(`'s User length must not be longer than ${USER_MAX} characters`);
  }
  if (/^[. ]+$/.test(user)) wrong.push("'s User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    wrong.push(`'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  }
  return wrong;
}

/** Containers in the host's own namespaces are all of a pod's or none, on the host's network. */
export function validateHostProcess(spec: PodSpec, path: string): FieldError[] {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  const errors: FieldError[] = [];
  let [all, hosts] = [0, 0];
  for (const list of ["initContainers", "containers", "ephemeralContainers"] as const) {
    for (const [index, { securityContext }] of (spec[list] ?? []).entries()) {
      const own = (securityContext as SecurityContext | undefined)?.windowsOptions?.hostProcess;
      if (own !== undefined && ofPod !== undefined && own !== ofPod) {
        const at = `${path}.${list}[${index}].securityContext.windowsOptions.hostProcess`;
        const rule = `pod hostProcess value must be identical if both are specified, was ${ofPod}`;
        errors.push(invalid(at, own, rule));
      }
      all++;
      if (own ?? ofPod ?? false) hosts++;
    }
  }
  if (hosts === 0) return errors;
  if (hosts !== all) {
    const rule =
      "If pod contains any hostProcess containers then all containers must be HostProcess containers";
    errors.push(invalid(path, "", rule));
  }
  if (spec.hostNetwork !== true) {
    const rule = "hostNetwork must be true if pod contains any hostProcess containers";
    errors.push(invalid(`${path}.hostNetwork`, false, rule));
  }
  return errors;
}
