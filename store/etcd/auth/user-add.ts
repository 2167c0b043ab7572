import type { AuthUserAddRequest, AuthUserAddResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";

/** Auth.UserAdd: the password is hashed here, so that neither log nor other members see it. */
export async function userAdd(
  context: EtcdContext,
  request: AuthUserAddRequest,
): Promise<AuthUserAddResponse> {
  const none = request.options?.noPassword === true;
  const hashedPassword = none ? "" : await context.auth.passwords.hash(request.password);
  const hashed = { ...request, password: "", hashedPassword };
  return proposeCommand<"user-add">(context, { kind: "user-add", request: hashed });
}
