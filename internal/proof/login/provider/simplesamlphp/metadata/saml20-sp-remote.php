<?php

// The service providers that the test has introduced so far, one a file.

foreach (glob(getenv('IDP_DIR') . '/providers/*.json') as $file) {
    $provider = json_decode(file_get_contents($file), true, 512, JSON_THROW_ON_ERROR);
    $metadata[$provider['entityid']] = $provider;
}
