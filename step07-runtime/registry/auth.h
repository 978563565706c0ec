/*
 * auth: what a registry asks for in WWW-Authenticate, and what is answered.
 *
 * A registry says 401 and where to get a token for which scope; the token server wants a password,
 * or nothing for a public image. Follows RFC 9110 section 11, RFC 6750, RFC 7617 and the token
 * specification of the distribution project. Explained in book/08-registry.md.
 */
#ifndef BOXSTEP_AUTH_H
#define BOXSTEP_AUTH_H

#include <stddef.h>

enum auth_scheme { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

struct auth_challenge {
	enum auth_scheme scheme; /* the strongest that is offered and known: bearer before basic */
	char realm[1024];	 /* bearer: the URL of the token server */
	char service[256];	 /* may be empty */
	char scope[1024];	 /* "repository:library/nginx:pull", may be empty */
};

/*
 * Reads the value of one WWW-Authenticate header, which may hold several challenges. Gives 0, with
 * AUTH_NONE when no scheme is known; −1 with EPROTO when it is not a header of that kind.
 */
int auth_challenge_parse(const char *header, struct auth_challenge *challenge);

/* A user's name and password, as the configuration file of the usual engines keeps them. */
struct auth_credentials {
	char user[256], secret[4096]; /* both empty: none */
};

/*
 * Looks for the credentials of REGISTRY ("docker.io") and REPOSITORY in FILE; with FILE NULL in
 * $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json, $DOCKER_CONFIG/config.json and
 * ~/.docker/config.json, the first that has them. A missing file that was not named is no error.
 * Gives 0 (also with none found); −1 with ENOTSUP when they are with a credential helper, which is
 * a foreign program that this one does not start; EINVAL when the file is not what it should be.
 */
int auth_credentials_find(const char *file, const char *registry, const char *repository,
			  struct auth_credentials *credentials);

/* "Basic " and base64 of user:secret, a header's value; freed by the caller, NULL with ENOMEM. */
char *auth_basic(const struct auth_credentials *credentials);

/* The token server's URL with service and scope as its query; freed by the caller, or NULL.
 * SCOPE is what is asked for when the challenge names none. */
char *auth_token_url(const struct auth_challenge *challenge, const char *scope);

/* "Bearer " and the token of the server's answer (JSON: token, or access_token); freed by the
 * caller, NULL with EPROTO. */
char *auth_bearer(const char *json, size_t size);

#endif
