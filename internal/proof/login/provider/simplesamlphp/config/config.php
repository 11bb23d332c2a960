<?php

// An identity provider of one test run. IDP_DIR is its directory, IDP_URL its root
// URL.

$dir = getenv('IDP_DIR') . '/';

$config = [
    'baseurlpath' => getenv('IDP_URL') . '/simplesaml/',
    'certdir' => $dir,
    'loggingdir' => $dir,
    'datadir' => $dir,
    'tempdir' => $dir . 'temp',
    'metadatadir' => dirname(__DIR__) . '/metadata/',

    'secretsalt' => 'a salt for tests',
    'auth.adminpassword' => bin2hex(random_bytes(16)),
    'technicalcontact_email' => 'nobody@example.com',
    'timezone' => 'UTC',

    'logging.handler' => 'errorlog', // standard error
    'logging.level' => SimpleSAML\Logger::WARNING,

    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'exampleauth' => true, 'saml' => true],
    'admin.checkforupdates' => false,
    'trusted.url.domains' => null, // after a log-out it sends people anywhere

    'session.cookie.secure' => false,
    'session.cookie.samesite' => null,
    'language.cookie.secure' => false,
    'language.cookie.samesite' => null,

    'store.type' => 'sql',
    'store.sql.dsn' => 'sqlite:' . $dir . 'sessions.sq3',
];
