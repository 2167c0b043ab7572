import { signIn } from "./api.ts";
import { Form } from "./fields.tsx";
import { Problem } from "./widgets.tsx";

const CLEAR =
  "A token would cross the network in clear text: open this page by https, or at localhost by " +
  "kubectl port-forward.";

/** Asks for a token; the page then has its rights. */
export const Login = ({ done }: { done(): void }) => (
  <main class="login">
    <h1>raft2kube</h1>
    {isSecureContext ? (
      <Form act="Sign in" run={({ token = "" }) => signIn(token.trim()).then(() => void done())}>
        <label>
          Token{" "}
          <input type="password" name="token" autocomplete="off" pattern="\s*\S+\s*" required />
        </label>
      </Form>
    ) : (
      <Problem text={CLEAR} />
    )}
    <p class="soft">
      The page has the rights of the token's user, and no others. A service account's:{" "}
      <code>kubectl create token NAME</code>
    </p>
  </main>
);
