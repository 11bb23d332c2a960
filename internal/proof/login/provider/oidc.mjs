// An OpenID provider of one test run: oidc-provider with pages on which the people
// of the test log in. It demands PKCE and gives clients to whoever asks.
//
// Arguments: the directory of oidc-provider, the port, the issuer URL. Environment:
// PEOPLE, a JSON list.
import { parse } from 'node:querystring';

const [library, port, issuer] = process.argv.slice(2);
const { default: Provider } = await import(`${library}/lib/index.js`);

const people = JSON.parse(process.env.PEOPLE);

const provider = new Provider(issuer, {
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['given_name', 'family_name'] },
  // What the client asks for stands in the ID token, as Google does it.
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => {
    const person = people.find(({ Login }) => Login === id);
    return person && {
      accountId: id,
      claims: () => ({
        sub: id,
        email: person.Email,
        email_verified: !person.Unverified,
        given_name: person.FirstName,
        family_name: person.LastName,
      }),
    };
  },
  // Whoever logs in has consented.
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
  interactions: { url: (ctx, { uid }) => `/interaction/${uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    rpInitiatedLogout: { enabled: false },
  },
});

const page = (uid, words) => `<!doctype html>
<html lang="en"><head><title>Provider</title><link rel="icon" href="data:,"></head><body>
<p>${words}</p>
<form method="post" action="/interaction/${uid}">
<input name="username"><input name="password" type="password">
<button>Sign in</button><button name="cancel" value="yes">Cancel</button>
</form></body></html>`;

async function body(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
  }
  return parse(text);
}

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) {
    await next();
    return;
  }
  const { uid } = await provider.interactionDetails(ctx.req, ctx.res);
  let words = 'Who are you?';
  if (ctx.method === 'POST') {
    const { username, password, cancel } = await body(ctx.req);
    const right = people.some(({ Login, Password }) => Login === username && Password === password);
    if (cancel || right) {
      const result = cancel ? { error: 'access_denied' } : { login: { accountId: username } };
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
      return;
    }
    words = 'Wrong name or password.';
  }
  ctx.type = 'html';
  ctx.body = page(uid, words);
});

provider.listen(Number(port), '127.0.0.1');
