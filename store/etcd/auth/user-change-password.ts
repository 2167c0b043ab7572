import type {
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { type EtcdContext, proposeCommand } from "../request/context.ts";

/** Auth.UserChangePassword. A request without a password carries the hash itself. */
export async function userChangePassword(
  context: EtcdContext,
  request: AuthUserChangePasswordRequest,
): Promise<AuthUserChangePasswordResponse> {
  const { password } = request;
  const hashedPassword =
    password === "" ? request.hashedPassword : await context.auth.passwords.hash(password);
  const hashed = { ...request, password: "", hashedPassword };
  return proposeCommand<"user-change-password">(context, {
    kind: "user-change-password",
    request: hashed,
  });
}
